/** Proves that organizations bring credentials of their own: their calls carry those and no others, and no calls of others do. */
import { Code, ConnectError } from "@connectrpc/connect";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { Role as MessageRole } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { BatchAccount } from "../harness/batch-account.ts";
import { runWeir } from "../harness/run-weir.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

interface Tenant {
  readonly organizationId: string;
  readonly owner: string;
  readonly developer: string;
  readonly inference: string;
}

const completion = { id: "c1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
const shared = "sk-canary-of-the-installation";

let upstream: ScriptedProvider;
let weir: Weir;
/** Two that bring their own, and one that does not. */
let one: Tenant;
let other: Tenant;
let without: Tenant;
let number = 0;

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, completion));
  weir = await startWeir({
    config: `
providers:
  main: { vendor: openai, base_url: "${upstream.baseUrl}", api_key: "${shared}", models: [m], stored_credentials: true, responses_api: true }
  strict: { vendor: openai, base_url: "${upstream.baseUrl}", models: [m], stored_credentials: true, only_organization_credentials: true }
routes: { either: { targets: [strict/m, main/m] } }
prices: { openai/m: { input: "2", output: "10", tier_multipliers: { batch: "0.5" } } }
`,
  });
  [one, other, without] = await Promise.all([createTenant("one"), createTenant("other"), createTenant("without")]);
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});
beforeEach(async () => {
  upstream.answerWith(json(200, completion));
  for (const { id } of (await providers().listCredentials({})).credentials) await providers().deleteCredential({ credentialId: id });
  for (const tenant of [one, other]) await untilCarried(tenant, shared);
});

async function createTenant(name: string): Promise<Tenant> {
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name });
  const keyOf = async (role: Role): Promise<string> => (await policy.createKey({ teamId: team!.id, name: String(role), role })).secret;
  return { organizationId: organization!.id, owner: await keyOf(Role.OWNER), developer: await keyOf(Role.DEVELOPER), inference: await keyOf(Role.INFERENCE) };
}

function providers(key?: string) {
  return weir.client(ProvidersService, key);
}

function newSecret(): string {
  return `sk-canary-secret-${++number}`;
}

/** Stores one as the organization's owner does; resolves when calls carry it. */
async function bring(tenant: Tenant, provider = "main"): Promise<{ readonly id: string; readonly secret: string }> {
  const secret = newSecret();
  const { credential } = await providers(tenant.owner).createCredential({ provider, name: "own", secret });
  await untilCarried(tenant, secret, provider);
  return { id: credential!.id, secret };
}

async function call({ inference }: Tenant, model = "main/m"): Promise<{ readonly status: number; readonly reason: string | null; readonly text: string }> {
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${inference}`, "content-type": "application/json" }, body: JSON.stringify({ model, messages: [{ role: "user", content: "rain" }] }) });
  return { status: response.status, reason: response.headers.get("x-weir-reason"), text: await response.text() };
}

function generate({ inference }: Tenant, model = "main/m") {
  return weir.client(InferenceService, inference).generate({ generation: { model, messages: [{ role: MessageRole.USER, parts: [{ kind: { case: "text", value: { text: "rain" } } }] }] } });
}

function secretOf({ headers }: UpstreamRequest): string {
  return headers.authorization!.replace("Bearer ", "");
}

/** What the vendor was shown while this was done. */
async function shownBy(calls: () => Promise<unknown>): Promise<string[]> {
  const before = upstream.requests.length;
  await calls();
  return upstream.requests.slice(before).map(secretOf);
}

async function untilCarried(tenant: Tenant, secret: string, provider = "main", timeout = 20_000): Promise<void> {
  await expect.poll(() => shownBy(() => call(tenant, `${provider}/m`)), { timeout, interval: 20 }).toEqual([secret]);
}

test("the calls of each carry its own, through HTTP and RPC, and those of an organization without one the installation's", async () => {
  const [first, second] = [await bring(one), await bring(other)];
  for (const [tenant, secret] of [[one, first.secret], [other, second.secret], [without, shared]] as const) {
    expect(await shownBy(() => call(tenant))).toEqual([secret]);
    expect(await shownBy(() => generate(tenant))).toEqual([secret]);
  }
  const secrets = await shownBy(() => Promise.all([one, other, without].flatMap((tenant) => Array.from({ length: 5 }, () => call(tenant)))));
  for (const secret of [first.secret, second.secret, shared]) expect(secrets.filter((carried) => carried === secret)).toHaveLength(5);
});

test("an owner stores, lists, changes and rotates the organization's own, and removes it: then its calls carry the installation's again", async () => {
  const own = providers(one.owner);
  const { id, secret } = await bring(one);
  await bring(other);
  expect((await own.listCredentials({})).credentials).toMatchObject([{ id, organizationId: one.organizationId, provider: "main", hint: secret.slice(-4) }]);
  expect((await own.updateCredential({ credentialId: id, updateMask: { paths: ["name"] }, name: "renamed" })).credential).toMatchObject({ name: "renamed" });
  const next = newSecret();
  await own.rotateCredential({ credentialId: id, secret: next });
  await untilCarried(one, next);
  upstream.answerWith((request, response) => json(secretOf(request) === next ? 401 : 200, secretOf(request) === next ? { error: { message: "not yet" } } : completion)(request, response));
  await call(one);
  expect(await shownBy(() => call(one)), "the former one serves where the new one is refused").toEqual([secret]);
  await own.deleteCredential({ credentialId: id });
  await untilCarried(one, shared, "main", 1_000);
  expect((await own.listCredentials({})).credentials).toEqual([]);
});

test("another organization's owner neither sees nor changes it, nor may anybody below an admin; the installation's admin may", async () => {
  const { id, secret } = await bring(one);
  const strange = providers(other.owner);
  const codeOf = (refused: Promise<unknown>): Promise<Code | undefined> => refused.then(() => undefined, (error: unknown) => ConnectError.from(error).code);
  expect(await codeOf(strange.updateCredential({ credentialId: id, updateMask: { paths: ["enabled"] } }))).toBe(Code.NotFound);
  expect(await codeOf(strange.rotateCredential({ credentialId: id, secret: newSecret() }))).toBe(Code.NotFound);
  expect(await strange.deleteCredential({ credentialId: id })).toEqual(await strange.deleteCredential({ credentialId: "cred_none" }));
  expect((await strange.listCredentials({})).credentials).toEqual([]);
  for (const organizationId of [one.organizationId, "org_none"]) {
    expect(await codeOf(strange.listCredentials({ organizationId }))).toBe(Code.PermissionDenied);
    expect(await codeOf(strange.createCredential({ organizationId, provider: "main", name: "n", secret: newSecret() }))).toBe(Code.PermissionDenied);
    expect(await codeOf(strange.deleteCredential({ organizationId, credentialId: id }))).toBe(Code.PermissionDenied);
  }
  for (const key of [one.developer, one.inference]) expect(await codeOf(providers(key).listCredentials({}))).toBe(Code.PermissionDenied);
  // The same secret: that another has it is not to be learnt.
  expect(await codeOf(strange.createCredential({ provider: "main", name: "n", secret }))).toBeUndefined();
  expect(await shownBy(() => call(one))).toEqual([secret]);
  expect((await providers().listCredentials({ organizationId: one.organizationId })).credentials.map((credential) => credential.id)).toEqual([id]);
  const next = newSecret();
  await providers().rotateCredential({ credentialId: id, organizationId: one.organizationId, secret: next });
  await untilCarried(one, next);
});

test("what becomes of them stands in the organization's audit log, whoever does it, and without a secret", async () => {
  const { id } = await bring(one);
  await providers().rotateCredential({ credentialId: id, secret: newSecret() });
  await providers().deleteCredential({ credentialId: id });
  const { entries } = await weir.client(MeteringService, one.owner).listAuditEntries({ pageSize: 3 });
  expect(entries.map(({ method, outcome }) => `${method.split("/")[1]} ${outcome}`)).toEqual(["DeleteCredential ok", "RotateCredential ok", "CreateCredential ok"]);
  for (const { requestJson } of entries) expect(requestJson).not.toContain("sk-canary");
});

test("while all of its own are turned off, its calls are refused, and the vendor hears nothing", async () => {
  const { id } = await bring(one);
  await providers(one.owner).updateCredential({ credentialId: id, updateMask: { paths: ["enabled"] } });
  await expect.poll(async () => (await call(one)).reason, { interval: 20 }).toBe("ORGANIZATION_CREDENTIAL_MISSING");
  expect(await shownBy(() => call(one))).toEqual([]);
  expect(await shownBy(() => call(without))).toEqual([shared]);
});

test("a provider that takes organizations' own alone refuses those without, saying what to do, and a route goes on to the next", async () => {
  const { secret } = await bring(one, "strict");
  expect(await shownBy(() => call(one, "strict/m"))).toEqual([secret]);
  const refused = await call(without, "strict/m");
  expect(refused).toMatchObject({ status: 403, reason: "ORGANIZATION_CREDENTIAL_MISSING", text: expect.stringContaining("weir credentials add strict") as string });
  await expect(generate(without, "strict/m")).rejects.toMatchObject({ code: Code.FailedPrecondition });
  expect(await shownBy(() => call(without, "either"))).toEqual([shared]);
  expect(await shownBy(() => call(one, "either"))).toEqual([secret]);
  await expect(providers().createCredential({ provider: "strict", name: "n", secret: newSecret() })).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test("what is said would become of a call knows of credentials that are missing, or turned off", async () => {
  const explain = ({ inference }: Tenant, model: string) => weir.client(RoutingService, inference).explainDecision({ model });
  const missing = { allowed: false, reason: ErrorReason.ORGANIZATION_CREDENTIAL_MISSING };
  expect(await explain(without, "strict/m")).toMatchObject({ ...missing, message: expect.stringContaining("weir credentials add strict") });
  expect(await explain(without, "either")).toMatchObject({ allowed: true, targets: [{ name: "strict/m", reason: ErrorReason.ORGANIZATION_CREDENTIAL_MISSING }, { name: "main/m", reason: ErrorReason.UNSPECIFIED }] });
  const { id } = await bring(one, "strict");
  expect(await explain(one, "strict/m")).toMatchObject({ allowed: true });
  await providers(one.owner).updateCredential({ credentialId: id, updateMask: { paths: ["enabled"] } });
  await expect.poll(() => explain(one, "strict/m")).toMatchObject(missing);
});

test("one that the vendor refuses never gives way to the installation's, and stands in nobody else's way", async () => {
  const { secret } = await bring(one);
  upstream.answerWith((request, response) => json(secretOf(request) === secret ? 401 : 200, secretOf(request) === secret ? { error: { message: `Incorrect API key provided: ${secret}` } } : completion)(request, response));
  // Twice what opens a circuit.
  const secrets = await shownBy(async () => {
    for (let turn = 0; turn < 20; turn++) {
      const { status, reason, text } = await call(one);
      expect([status, reason]).toEqual([403, "ORGANIZATION_CREDENTIAL_REFUSED"]);
      expect(text).not.toContain("sk-canary");
    }
  });
  expect(new Set(secrets)).toEqual(new Set([secret]));
  expect(secrets).toHaveLength(20);
  for (const tenant of [other, without]) expect(await call(tenant)).toMatchObject({ status: 200 });
  const refuseTimes = async () => (await providers(one.owner).listCredentials({})).credentials.map(({ refuseTime }) => refuseTime !== undefined);
  await expect.poll(refuseTimes, { timeout: 2_000, interval: 20 }).toEqual([true]);
});

test("its files and batches lie in its own account, and are asked for there", async () => {
  const accounts = new Map<string, BatchAccount>();
  const answer: Answer = (request, response) => {
    if (request.path.startsWith("/v1/chat/")) return json(200, completion)(request, response);
    const secret = secretOf(request);
    const account = accounts.get(secret) ?? new BatchAccount();
    accounts.set(secret, account);
    return account.answer(request, response);
  };
  upstream.answerWith(answer);
  const { id: credentialId, secret } = await bring(one);
  const as = ({ inference }: Tenant): OpenAI => new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: inference, maxRetries: 0 });
  const make = async (client: OpenAI): Promise<OpenAI.Batch> => {
    const line = { custom_id: "a", method: "POST", url: "/v1/chat/completions", body: { model: "m", messages: [{ role: "user", content: "Hi" }], max_completion_tokens: 10 } };
    const { id } = await client.files.create({ file: await toFile(Buffer.from(`${JSON.stringify(line)}\n`), "calls.jsonl"), purpose: "batch" });
    return client.batches.create({ input_file_id: id, endpoint: "/v1/chat/completions", completion_window: "24h" });
  };
  /** What the organization has in the account that its calls do not go to now. */
  const refusesAllOf = async ({ id, input_file_id: fileId }: OpenAI.Batch): Promise<void> => {
    const input: OpenAI.Responses.ResponseInput = [{ role: "user", content: [{ type: "input_file", file_id: fileId }] }];
    const before = upstream.requests.length;
    const calls = [
      () => as(one).batches.retrieve(id),
      () => as(one).batches.cancel(id),
      () => as(one).files.content(fileId),
      () => as(one).files.delete(fileId),
      () => as(one).batches.create({ input_file_id: fileId, endpoint: "/v1/chat/completions", completion_window: "24h" }),
      () => as(one).responses.create({ model: "main/m", input }),
    ];
    for (const refused of calls) await expect(refused()).rejects.toMatchObject({ status: 404, message: expect.stringContaining("account at the vendor") as string });
    expect(upstream.requests).toHaveLength(before);
  };
  const [own, installations] = [await make(as(one)), await make(as(without))];
  expect([...accounts].map(([carried, { files, batches }]) => [carried, files.size, batches.length])).toEqual([[secret, 1, 1], [shared, 1, 1]]);
  expect((await as(one).batches.list()).data.map(({ id }) => id)).toEqual([own.id]);

  // Whoever has an account of its own can write into it what it likes, also by which the batch of another is known.
  const marks = accounts.get(shared)!.batches[0]!["metadata"] as Record<string, string>;
  const forged = accounts.get(secret)!.batches[0]!;
  const ownMarks = forged["metadata"] as Record<string, string>;
  Object.assign(forged, { metadata: { ...ownMarks, weir_attempt: marks["weir_attempt"]! } });
  accounts.get(secret)!.end("batch_1", { input: 1, cached: 0, output: 0, reasoning: 0 });
  expect((await as(one).batches.retrieve(own.id)).status).toBe("completed");
  accounts.get(shared)!.end("batch_1", { input: 40, cached: 0, output: 20, reasoning: 0 });
  expect((await as(without).batches.retrieve(installations.id)).status).toBe("completed");
  const costOf = async (attemptId: string) => (await weir.attempts(1)).find(({ event }) => event?.intent?.attemptId === attemptId)?.costNanos;
  await expect.poll(() => costOf(marks["weir_attempt"]!)).toBe(40n * 1_000n + 20n * 5_000n);
  Object.assign(forged, { metadata: ownMarks });
  await as(one).batches.retrieve(own.id);
  await expect.poll(() => costOf(ownMarks["weir_attempt"]!)).toBe(1_000n);

  // In the installation's account somebody else's things have the same ids.
  await providers(one.owner).deleteCredential({ credentialId });
  await untilCarried(one, shared);
  await refusesAllOf(own);
  expect((await as(one).batches.list()).data).toEqual([]);
  const formerly = await make(as(one));
  await bring(one);
  await refusesAllOf(formerly);
  expect((await as(one).batches.list()).data).toEqual([]);
});

test("the command line does the same for whoever holds an owner's key", async () => {
  const secret = newSecret();
  expect(await run(one.owner, ["credentials", "add", "main", "--name", "by hand"], secret)).toMatch(/^Stored cred_\w+\.$/m);
  await untilCarried(one, secret);
  const listed = await run(one.owner, ["credentials", "list"]);
  expect(listed).toMatch(new RegExp(`^cred_\\w+ +${one.organizationId} +main +by hand +…${secret.slice(-4)} `, "m"));
  const id = /cred_\w+/.exec(listed)![0];
  expect(await run(other.owner, ["credentials", "update", id, "--off"])).toContain("There is no credential of this id");
  const given = newSecret();
  await run(weir.adminKey, ["credentials", "add", "main", "--organization", other.organizationId], given);
  await untilCarried(other, given);
});

async function run(key: string, words: readonly string[], input = ""): Promise<string> {
  const { stdout, stderr } = await runWeir([...words, "--data", weir.dataDirectory], { environment: { WEIR_ADMIN_KEY: key }, input });
  return stdout + stderr;
}
