/** Proves that credentials are stored, used, rotated and removed while Weir runs, and that no secret comes back out. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConnectError, Code } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { runWeir } from "../harness/run-weir.ts";
import { json, startScriptedProvider, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;
let number = 0;

const completion = { id: "c1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, completion));
  weir = await startWeir({
    config: `
providers:
  main: { vendor: openai, base_url: "${upstream.baseUrl}", models: [m], stored_credentials: true }
  fixed: { vendor: openai, base_url: "${upstream.baseUrl}", api_key: "sk-from-the-file", models: [m] }
logging: { level: debug }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});
beforeEach(async () => {
  upstream.answerWith(json(200, completion));
  for (const { id } of (await providers().listCredentials({})).credentials) await providers().deleteCredential({ credentialId: id });
  await expect.poll(async () => (await call()).reason).toBe("DEPENDENCY_UNAVAILABLE");
});

function providers(key?: string) {
  return weir.client(ProvidersService, key);
}

function newSecret(): string {
  return `sk-canary-secret-${++number}`;
}

async function call(model = "main/m"): Promise<{ readonly status: number; readonly reason: string | null; readonly text: string }> {
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" }, body: JSON.stringify({ model, messages: [{ role: "user", content: "rain" }] }) });
  return { status: response.status, reason: response.headers.get("x-weir-reason"), text: await response.text() };
}

function secretOf({ headers }: UpstreamRequest): string {
  return headers.authorization!.replace("Bearer ", "");
}

/** The secrets that the next calls carry. */
async function secretsOfCalls(count: number): Promise<string[]> {
  const before = upstream.requests.length;
  for (let turn = 0; turn < count; turn++) await call();
  return upstream.requests.slice(before).map(secretOf);
}

/** Until the change has come to the process that makes attempts. */
async function untilUsed(secret: string): Promise<void> {
  await expect.poll(async () => (await secretsOfCalls(1)).at(-1), { timeout: 1_000, interval: 20 }).toBe(secret);
}

test("a stored credential is used within a second, and what is shown of it is not the secret", async () => {
  const secret = newSecret();
  const { credential } = await providers().createCredential({ provider: "main", name: "first", secret, requestId: `create ${secret}` });
  expect(credential).toMatchObject({ provider: "main", name: "first", weight: 1, enabled: true, hint: secret.slice(-4) });
  await untilUsed(secret);
  expect((await call()).status).toBe(200);
  expect(await providers().createCredential({ provider: "main", name: "first", secret, requestId: `create ${secret}` })).toMatchObject({ credential: { id: credential!.id } });
  await expect(providers().createCredential({ provider: "main", name: "again", secret })).rejects.toMatchObject({ code: Code.AlreadyExists });
  const listed = await providers().listCredentials({});
  expect(listed.credentials).toHaveLength(1);
  expect(JSON.stringify(listed, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value))).not.toContain(secret);
});

test("credentials share the requests by weight, and one that is turned off or removed is not used", async () => {
  const [light, heavy] = [newSecret(), newSecret()];
  const { credential } = await providers().createCredential({ provider: "main", name: "light", secret: light });
  await providers().createCredential({ provider: "main", name: "heavy", secret: heavy, weight: 3 });
  await untilUsed(heavy);
  const secrets = await secretsOfCalls(8);
  expect([secrets.filter((secret) => secret === light).length, secrets.filter((secret) => secret === heavy).length]).toEqual([2, 6]);
  await providers().updateCredential({ credentialId: credential!.id, updateMask: { paths: ["enabled"] } });
  await expect.poll(async () => new Set(await secretsOfCalls(4)), { timeout: 1_500, interval: 20 }).toEqual(new Set([heavy]));
});

test("one that the vendor refuses is left alone and shown so, one that it limits is left to rest, and the call goes on with another", async () => {
  const [bad, limited, good] = [newSecret(), newSecret(), newSecret()];
  for (const secret of [bad, limited, good]) await providers().createCredential({ provider: "main", name: "pooled", secret });
  upstream.answerWith((request, response) => {
    if (secretOf(request) === bad) return json(401, { error: { message: `Incorrect API key provided: ${bad}` } })(request, response);
    if (secretOf(request) === limited) return json(429, { error: { message: "slow down" } }, { "retry-after": "60" })(request, response);
    return json(200, completion)(request, response);
  });
  await untilUsed(good);
  for (let turn = 0; turn < 6; turn++) expect(await call()).toMatchObject({ status: 200 });
  expect(upstream.requests.map(secretOf)).toEqual(expect.arrayContaining([bad, limited]));
  expect(new Set(await secretsOfCalls(6))).toEqual(new Set([good]));
  const refused = async () => (await providers().listCredentials({})).credentials.filter(({ refuseTime }) => refuseTime !== undefined).map(({ hint }) => hint);
  await expect.poll(refused, { timeout: 2_000, interval: 20 }).toEqual([bad.slice(-4)]);
});

test("what one caller says, and the vendor's rules forbid, is nothing against the credential, nor against the target for others", async () => {
  const secret = newSecret();
  await providers().createCredential({ provider: "main", name: "only", secret });
  await untilUsed(secret);
  upstream.answerWith(json(403, { code: "The caller does not have permission to execute the specified operation", error: "Content violates usage guidelines. Team: t, API key ID: k, Model: m, Failed check: SAFETY_CHECK_TYPE_BIO" }));
  for (let turn = 0; turn < 12; turn++) expect(await call()).toMatchObject({ status: 403, reason: "UPSTREAM_REJECTED" });
  upstream.answerWith(json(200, completion));
  expect((await call()).status).toBe(200);
  const [credential] = (await providers().listCredentials({})).credentials;
  expect(credential!.refuseTime).toBeUndefined();
});

test("one whose project is kept from a model goes on to another for that model, and carries others as before", async () => {
  const [lacking, having] = [newSecret(), newSecret()];
  for (const secret of [lacking, having]) await providers().createCredential({ provider: "main", name: "pooled", secret });
  const refusal = json(403, { error: { message: "Project `proj_1` does not have access to model `kept`", type: "invalid_request_error", param: null, code: "model_not_found" } });
  upstream.answerWith((request, response) => (secretOf(request) === lacking && String(request.body).includes('"kept"') ? refusal : json(200, completion))(request, response));
  await expect.poll(async () => new Set(await secretsOfCalls(2)), { timeout: 1_500, interval: 20 }).toEqual(new Set([lacking, having]));
  for (let turn = 0; turn < 4; turn++) expect(await call("main/kept")).toMatchObject({ status: 200 });
  expect(new Set(await secretsOfCalls(2))).toEqual(new Set([lacking, having]));
  upstream.answerWith((request, response) => (String(request.body).includes('"kept"') ? refusal : json(200, completion))(request, response));
  for (let turn = 0; turn < 12; turn++) expect(await call("main/kept")).toMatchObject({ status: 403, reason: "UPSTREAM_REJECTED" });
  expect(await call("main/another")).toMatchObject({ status: 200 });
  expect((await providers().listCredentials({})).credentials.map(({ refuseTime }) => refuseTime)).toEqual([undefined, undefined]);
});

test("one that the vendor limits rests although a stream that carries it comes to its end meanwhile", async () => {
  const [limited, good] = [newSecret(), newSecret()];
  for (const secret of [limited, good]) await providers().createCredential({ provider: "main", name: "pooled", secret });
  await expect.poll(async () => new Set(await secretsOfCalls(2)), { timeout: 1_500, interval: 20 }).toEqual(new Set([limited, good]));
  const chunk = { id: "c1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", delta: { content: "hi" } }] };
  const endStreams: (() => void)[] = [];
  upstream.answerWith((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(`data: ${JSON.stringify(chunk)}\n\n`);
    endStreams.push(() => response.end("data: [DONE]\n\n"));
  });
  const body = JSON.stringify({ model: "main/m", stream: true, messages: [{ role: "user", content: "rain" }] });
  const streams = await Promise.all([1, 2].map(() => fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body })));
  upstream.answerWith((request, response) => (secretOf(request) === limited ? json(429, { error: { message: "slow down" } }, { "retry-after": "60" }) : json(200, completion))(request, response));
  expect(await secretsOfCalls(2)).toContain(limited);
  for (const end of endStreams) end();
  for (const stream of streams) expect(await stream.text()).toContain("[DONE]");
  expect(new Set(await secretsOfCalls(6))).toEqual(new Set([good]));
});

test("where the vendor takes none of them, the call fails as with the last, and each that was shown has a line", async () => {
  const secrets = [newSecret(), newSecret(), newSecret()];
  for (const secret of secrets) await providers().createCredential({ provider: "main", name: "pooled", secret });
  await expect.poll(async () => new Set(await secretsOfCalls(3)), { timeout: 1_500, interval: 20 }).toEqual(new Set(secrets));
  upstream.answerWith((request, response) => json(429, { error: { message: `slow down, ${secretOf(request)}` } }, { "retry-after": "60" })(request, response));
  const before = upstream.requests.length;
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" }, body: JSON.stringify({ model: "main/m", messages: [{ role: "user", content: "rain" }] }) });
  expect([response.status, response.headers.get("retry-after")]).toEqual([429, "60"]);
  expect(await response.text()).not.toContain("sk-canary");
  expect(upstream.requests.slice(before).map(secretOf).toSorted()).toEqual(secrets.toSorted());
  expect(await weir.attempts(3, { requestId: response.headers.get("x-request-id")! })).toHaveLength(3);
});

test("a rotated credential shows its new secret, and the former one where the vendor does not know the new one yet", async () => {
  const [former, present] = [newSecret(), newSecret()];
  const { credential } = await providers().createCredential({ provider: "main", name: "rotated", secret: former });
  await untilUsed(former);
  const rotation = { credentialId: credential!.id, secret: present, requestId: `rotate ${present}` };
  await providers().rotateCredential(rotation);
  expect((await providers().rotateCredential(rotation)).credential).toMatchObject({ hint: present.slice(-4) });
  await untilUsed(present);
  upstream.answerWith((request, response) => json(secretOf(request) === present ? 401 : 200, secretOf(request) === present ? { error: { message: "no" } } : completion)(request, response));
  await call();
  expect(await secretsOfCalls(2)).toEqual([former, former]);
});

test("is not for keys that do not run the installation, nor for providers that do not take it", async () => {
  const refusal = async (call: Promise<unknown>): Promise<Code | undefined> => call.then(() => undefined, (error: unknown) => ConnectError.from(error).code);
  expect(await refusal(providers(weir.inferenceKey).listCredentials({}))).toBe(Code.PermissionDenied);
  expect(await refusal(providers(weir.inferenceKey).createCredential({ provider: "main", name: "x", secret: "y" }))).toBe(Code.PermissionDenied);
  expect(await refusal(providers().createCredential({ provider: "fixed", name: "x", secret: newSecret() }))).toBe(Code.InvalidArgument);
  expect(await refusal(providers().createCredential({ provider: "main", name: "x", secret: "two words" }))).toBe(Code.InvalidArgument);
  expect(await refusal(providers().createCredential({ provider: "none", name: "x", secret: newSecret() }))).toBe(Code.NotFound);
  expect((await call("fixed/m")).status).toBe(200);
  expect(secretOf(upstream.requests.at(-1)!)).toBe("sk-from-the-file");
});

test("the command line takes the secret from standard input, and the key that encrypts is for its owner alone", async () => {
  const secret = newSecret();
  expect(await run(["credentials", "add", "main", "--name", "by hand"], secret)).toMatch(/^Stored cred_\w+\.$/m);
  await untilUsed(secret);
  const listed = await run(["credentials", "list"]);
  expect(listed).toMatch(new RegExp(`^cred_\\w+ +- +main +by hand +…${secret.slice(-4)} +[0-9a-f]{16} +1 .* in use$`, "m"));
  const id = /cred_\w+/.exec(listed)![0];
  const another = newSecret();
  await run(["credentials", "rotate", id, "--overlap", "1h"], `${another}\n`);
  await untilUsed(another);
  await run(["credentials", "remove", id]);
  expect((await providers().listCredentials({})).credentials).toEqual([]);
  const keyFile = join(weir.dataDirectory, "credential-key");
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  expect((await readFile(keyFile, "utf8")).trim()).toMatch(/^[\w-]{43}$/);
  expect(JSON.stringify(weir.log())).not.toContain("sk-canary");
});

async function run(words: readonly string[], input = ""): Promise<string> {
  const { stdout, stderr } = await runWeir([...words, "--data", weir.dataDirectory], { input });
  return stdout + stderr;
}
