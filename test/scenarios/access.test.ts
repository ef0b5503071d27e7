/** Proves what keys may be used for, at every door, and how soon a change of a key is in force. */
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { formatKeySecret } from "#platform/secrets/key-secret.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;
let teamId: string;

const completion = { id: "c1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, completion));
  const provider = `{ vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] }`;
  weir = await startWeir({
    config: `
listen: { trusted_proxies: [127.0.0.0/8] }
providers: { near: ${provider}, far: ${provider} }
routes: { chat: { targets: [far/m, near/m] } }
`,
  });
  const { teams } = await weir.client(PolicyService).listTeams({});
  teamId = teams[0]!.id;
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

type NewKey = Parameters<ReturnType<typeof policy>["createKey"]>[0];

function policy(key?: string) {
  return weir.client(PolicyService, key);
}

async function makeKey(bounds: NewKey = {}): Promise<{ id: string; secret: string }> {
  const { key, secret } = await policy().createKey({ teamId, name: "bound", ...bounds });
  return { id: key!.id, secret };
}

interface Door {
  readonly path: string;
  readonly headers: (key: string) => Record<string, string>;
  readonly body: (model: string) => object;
  /** The name that the dialect gives a refusal. */
  readonly typeOf: (body: never) => unknown;
  readonly refused: unknown;
  readonly unauthenticated: unknown;
}

const messages = [{ role: "user", content: "rain" }];
const doors: Readonly<Record<string, Door>> = {
  openai: { path: "/v1/chat/completions", headers: (key) => ({ authorization: `Bearer ${key}` }), body: (model) => ({ model, messages }), typeOf: (body: { error: { code: string } }) => body.error.code, refused: expect.stringMatching(/_not_allowed$/), unauthenticated: expect.stringMatching(/^(invalid_api_key|key_expired)$/) },
  anthropic: { path: "/v1/messages", headers: (key) => ({ "x-api-key": key }), body: (model) => ({ model, max_tokens: 5, messages }), typeOf: (body: { error: { type: string } }) => body.error.type, refused: "permission_error", unauthenticated: "authentication_error" },
  gemini: { path: "/v1beta/models/{model}:generateContent", headers: (key) => ({ "x-goog-api-key": key }), body: () => ({ contents: [{ parts: [{ text: "rain" }] }] }), typeOf: (body: { error: { status: string } }) => body.error.status, refused: "PERMISSION_DENIED", unauthenticated: "UNAUTHENTICATED" },
  ollama: { path: "/api/chat", headers: (key) => ({ authorization: `Bearer ${key}` }), body: (model) => ({ model, messages, stream: false }), typeOf: (body: { error: string }) => body.error, refused: expect.stringMatching(/may not/), unauthenticated: expect.stringMatching(/key/) },
  connect: { path: "/weir.inference.v1.InferenceService/Generate", headers: (key) => ({ authorization: `Bearer ${key}` }), body: (model) => ({ generation: { model, messages: [{ role: "ROLE_USER", parts: [{ text: { text: "rain" } }] }] } }), typeOf: (body: { code: string }) => body.code, refused: "permission_denied", unauthenticated: "unauthenticated" },
};

function call(door: Door, key: string, model = "chat", headers: Record<string, string> = {}): Promise<Response> {
  return fetch(weir.origin + door.path.replace("{model}", model), { method: "POST", headers: { "content-type": "application/json", ...door.headers(key), ...headers }, body: JSON.stringify(door.body(model)) });
}

const statusOf = async (key: string): Promise<number> => (await call(doors["openai"]!, key)).status;

describe.each(Object.entries(doors))("a bound key at the %s door", (_, door) => {
  test.each<[string, NewKey["scope"] & object, string, Record<string, string>, RegExp]>([
    ["models", { models: ["near/*"] }, "chat", {}, /may not use "chat"/],
    ["providers", { providers: ["elsewhere"] }, "chat", {}, /may not reach the provider of "chat" \(far, near\)/],
    ["operations", { operations: ["Embed"] }, "chat", {}, /may not be used for Generate/],
    ["addresses", { ipRanges: ["192.0.2.0/24"] }, "chat", { "x-forwarded-for": "192.0.2.1, 198.51.100.7" }, /may not be used from 198\.51\.100\.7/],
    ["origins", { origins: ["https://app.example.com"] }, "chat", { origin: "https://evil.example.com" }, /web pages of https:\/\/evil\.example\.com/],
    ["origins, outside of a page", { origins: ["https://app.example.com"] }, "chat", {}, /outside of a web page/],
  ])("is refused beyond its %s", async (_, scope, model, headers, message) => {
    const { secret } = await makeKey({ scope });
    const before = upstream.requests.length;
    const response = await call(door, secret, model, headers);
    expect(response.status).toBe(403);
    const text = await response.text();
    expect(text.replaceAll("\\", "")).toMatch(message);
    expect(door.typeOf(JSON.parse(text) as never)).toEqual(door.refused);
    expect(upstream.requests).toHaveLength(before);
  });

  test("is let in within all of them", async () => {
    const scope = { models: ["chat"], providers: ["near"], operations: ["Generate"], ipRanges: ["192.0.2.0/24", "2001:db8::/32"], origins: ["https://app.example.com"] };
    const { secret } = await makeKey({ scope, expireTime: timestampFromMs(Date.now() + 60_000) });
    const response = await call(door, secret, "chat", { origin: "https://app.example.com", "x-forwarded-for": "198.51.100.7, 192.0.2.9" });
    expect(await response.text()).toMatch(/hi|near/);
    expect(response.status).toBe(200);
  });

  test("is refused once it has expired", async () => {
    const { secret } = await makeKey({ expireTime: timestampFromMs(Date.now() + 1_000) });
    let response = await call(door, secret);
    while (response.status === 200) response = await call(door, secret);
    expect(response.status).toBe(401);
    expect(door.typeOf((await response.json()) as never)).toEqual(door.unauthenticated);
  });
});

test("a route goes to the providers alone that the key may reach, and lists show what it may use", async () => {
  const { secret } = await makeKey({ scope: { providers: ["near"] } });
  const response = await call(doors["openai"]!, secret);
  expect(response.headers.get("x-weir-target")).toBe("near/m");
  const { data } = (await (await fetch(`${weir.origin}/v1/models`, { headers: { authorization: `Bearer ${secret}` } })).json()) as { data: { id: string }[] };
  expect(data.map(({ id }) => id)).toEqual(["chat", "near/m"]);
});

test("an RPC names the reason, for programs", async () => {
  const { secret } = await makeKey({ scope: { operations: ["Embed"] } });
  const refusal = await weir.client(InferenceService, secret).listModels({}).catch((error: unknown) => ConnectError.from(error));
  expect((refusal as ConnectError).code).toBe(Code.PermissionDenied);
  expect((refusal as ConnectError).findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "OPERATION_NOT_ALLOWED", metadata: { operation: "ListModels" } }]);
});

test("a rotated key has two secrets for the overlap, and then one", async () => {
  const { id, secret } = await makeKey();
  const first = await policy().rotateKey({ keyId: id, overlap: durationFromMs(1_500), requestId: `rotate ${id}` });
  expect(first.secret).not.toBe(secret);
  expect(await policy().rotateKey({ keyId: id, overlap: durationFromMs(1_500), requestId: `rotate ${id}` })).toMatchObject({ secret: "", key: { id } });
  expect(await statusOf(secret)).toBe(200);
  expect(await statusOf(first.secret)).toBe(200);
  await expect.poll(() => statusOf(secret), { timeout: 5_000, interval: 50 }).toBe(401);
  const refusal = await call(doors["openai"]!, secret);
  expect(refusal.headers.get("x-weir-reason")).toBe("KEY_EXPIRED");
  expect(await statusOf(first.secret)).toBe(200);

  const second = await policy().rotateKey({ keyId: id, overlap: durationFromMs(0) });
  await expect.poll(() => statusOf(first.secret), { timeout: 1_000, interval: 20 }).toBe(401);
  expect(await statusOf(second.secret)).toBe(200);
});

test("a changed key is in force within a second, also on calls with the key that come before", async () => {
  const { id, secret } = await makeKey();
  expect(await statusOf(secret)).toBe(200);
  await policy().updateKey({ keyId: id, updateMask: { paths: ["scope", "name"] }, scope: { models: ["near/m"] }, name: "narrow" });
  await expect.poll(() => statusOf(secret), { timeout: 1_000, interval: 20 }).toBe(403);
  const { key } = await policy().updateKey({ keyId: id, updateMask: { paths: ["scope"] } });
  expect(key).toMatchObject({ name: "narrow" });
  expect(key!.scope).toBeUndefined();
  await expect.poll(() => statusOf(secret), { timeout: 1_000, interval: 20 }).toBe(200);
});

test("a stream of a revoked key is cut, and its caller told why", async () => {
  upstream.answerWith((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write('data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"drop"},"finish_reason":null}]}\n\n');
  });
  const { id, secret } = await makeKey();
  const place = upstream.requests.length;
  const stream = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${secret}` }, body: JSON.stringify({ model: "near/m", messages, stream: true }) });
  const reader = stream.body!.getReader();
  await reader.read();
  const rpcStream = weir.client(InferenceService, secret).streamGenerate({ generation: { model: "near/m", messages: [{ role: 2, parts: [{ kind: { case: "text", value: { text: "rain" } } }] }] } })[Symbol.asyncIterator]();
  await rpcStream.next();

  await policy().revokeKey({ keyId: id });
  const revokedMs = performance.now();
  let rest = "";
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) rest += Buffer.from(chunk.value).toString();
  await (await upstream.request(place)).aborted;
  expect(rest).toContain("The key was revoked");
  const rpcError = await (async () => {
    for (;;) if ((await rpcStream.next()).done === true) return undefined;
  })().catch((error: unknown) => ConnectError.from(error));
  expect(rpcError!.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "KEY_REVOKED" }]);
  expect(performance.now() - revokedMs).toBeLessThan(2_000);
  upstream.answerWith(json(200, completion));
});

test("a watch of a key that is revoked ends with why, and not as if all were told", async () => {
  const { id, secret } = await makeKey({ role: Role.BILLING });
  const watch = weir.client(MeteringService, secret).watchUsage({ query: {}, intervalSeconds: 1 })[Symbol.asyncIterator]();
  await watch.next();
  await policy().revokeKey({ keyId: id });
  const rpcError = await (async () => {
    for (;;) if ((await watch.next()).done === true) return undefined;
  })().catch((error: unknown) => ConnectError.from(error));
  expect(rpcError?.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "KEY_REVOKED" }]);
});

describe("a token", () => {
  test("calls models within its key's bounds and its own, under its labels, and does nothing else", async () => {
    const { secret } = await makeKey({ scope: { providers: ["near"] }, labels: { application: "shop" } });
    // At once, before routing can have been told of the key.
    const { token } = await policy(secret).createToken({ scope: { models: ["chat"], origins: ["https://app.example.com"] }, labels: { end_user: "u-42", application: "forged" } });
    const page = { origin: "https://app.example.com" };
    for (const door of Object.values(doors)) expect((await call(door, token, "chat", page)).status).toBe(200);
    const response = await call(doors["openai"]!, token, "chat", page);
    expect(response.headers.get("x-weir-target")).toBe("near/m");
    const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
    expect(attempt!.event!.intent!.attribution!.labels).toEqual({ end_user: "u-42", application: "shop" });

    expect((await call(doors["openai"]!, token, "near/m", page)).headers.get("x-weir-reason")).toBe("MODEL_NOT_ALLOWED");
    expect((await call(doors["openai"]!, token)).headers.get("x-weir-reason")).toBe("ORIGIN_NOT_ALLOWED");
    expect((await call(doors["openai"]!, `${token.slice(0, -8)}aaaaaaaa`, "chat", page)).headers.get("x-weir-reason")).toBe("KEY_INVALID");
    const { token: plain } = await policy(secret).createToken({});
    await expect(policy(plain).createToken({})).rejects.toMatchObject({ code: Code.PermissionDenied });
    await expect(policy((await policy().createToken({})).token).listKeys({})).rejects.toMatchObject({ code: Code.PermissionDenied });
  });

  test("ends, says so, and never outlives its key", async () => {
    const { secret } = await makeKey({ expireTime: timestampFromMs(Date.now() + 60_000) });
    const { token } = await policy(secret).createToken({ lifetime: durationFromMs(1_000) });
    expect(await statusOf(token)).toBe(200);
    await expect.poll(() => statusOf(token), { timeout: 5_000, interval: 50 }).toBe(401);
    expect((await call(doors["openai"]!, token)).headers.get("x-weir-reason")).toBe("TOKEN_EXPIRED");
    const { expireTime } = await policy(secret).createToken({ lifetime: durationFromMs(3_600_000) });
    expect(Number(expireTime!.seconds) * 1_000).toBeLessThanOrEqual(Date.now() + 60_000);
  });

  test("ends with the secret that its key had, whichever of two it was made with", async () => {
    const { id, secret } = await makeKey();
    const { token: before } = await policy(secret).createToken({ lifetime: durationFromMs(3_600_000) });
    const { secret: second } = await policy().rotateKey({ keyId: id, overlap: durationFromMs(600_000) });
    const makeByFormer = () => policy(secret).createToken({ lifetime: durationFromMs(3_600_000) });
    // Once the rotation has reached routing.
    await expect.poll(async () => Number((await makeByFormer()).expireTime!.seconds) * 1_000 - Date.now()).toBeLessThanOrEqual(600_000);
    const { token: byFormer } = await makeByFormer();
    const { token: byPresent } = await policy(second).createToken({});
    for (const token of [before, byFormer, byPresent]) expect(await statusOf(token)).toBe(200);
    await policy().rotateKey({ keyId: id, overlap: durationFromMs(0) });
    for (const token of [before, byPresent]) {
      await expect.poll(async () => (await call(doors["openai"]!, token)).headers.get("x-weir-reason"), { timeout: 1_000, interval: 20 }).toBe("TOKEN_EXPIRED");
    }
  });

  test("goes with its key", async () => {
    const { id, secret } = await makeKey();
    const { token } = await policy(secret).createToken({});
    expect(await statusOf(token)).toBe(200);
    await policy().revokeKey({ keyId: id });
    await expect.poll(() => statusOf(token), { timeout: 1_000, interval: 20 }).toBe(401);
    expect((await call(doors["openai"]!, token)).headers.get("x-weir-reason")).toBe("KEY_REVOKED");
  });
});

test("when a key was used last is known, once routing has told it", async () => {
  const { id, secret } = await makeKey();
  const lastUse = async (): Promise<unknown> => (await policy().listKeys({})).keys.find((key) => key.id === id)!.lastUseTime;
  expect(await statusOf(secret)).toBe(200);
  await expect.poll(lastUse, { timeout: 20_000, interval: 250 }).toBeDefined();
});

test("a key that nobody made is refused again and again, and a new one is let in at once", async () => {
  const unknown = formatKeySecret(crypto.getRandomValues(new Uint8Array(32))).reveal();
  for (let round = 0; round < 3; round++) expect(await statusOf(unknown)).toBe(401);
  expect(await statusOf((await makeKey()).secret)).toBe(200);
});
