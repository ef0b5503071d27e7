/** Proves that whoever is asked why a call failed, or where its answer came from, finds it, also where no vendor was asked. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { Role as MessageRole } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { RequestOutcome, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { runWeir, type CommandOutcome } from "../harness/run-weir.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";


const prompt = "canary-prompt-9b0c44";
const address = "canary.person.5511@example.com";
const completion = { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "flow" } }], usage: { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 } };

let upstream: ScriptedProvider;
/** Fails, and quotes what it was sent. */
let broken: ScriptedProvider;
let weir: Weir;
let organizationId: string;
let teamId: string;

beforeAll(async () => {
  [upstream, broken] = await Promise.all([startScriptedProvider(json(200, completion)), startScriptedProvider((request, response) => json(503, { error: { message: `cannot serve ${request.body.toString()}` } })(request, response))]);
  weir = await startWeir({
    config: `
providers:
  up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m, text, dear] }
  broken: { vendor: openai, api_key: k, base_url: "${broken.baseUrl}", models: [a, b] }
models:
  openai/text: { input_modalities: [text] }
  openai/dear: { max_output_tokens: 1000 }
prices: { openai/dear: { input: "0", output: "0", request: "1" } }
breaker: { minimum_calls: 100000 }
routes:
  limited: { targets: [up/m] }
  flooded: { targets: [up/m] }
  blocked: { targets: [up/m] }
  masked: { targets: [up/m] }
  cached: { targets: [up/m] }
  text-only: { targets: [up/text, up/text] }
  all-down: { targets: [broken/a, broken/b] }
  fallback: { targets: [broken/a, up/m] }
cache: { rules: [{ models: [cached], lifetime: 600s }] }
guardrails:
  - { name: no-addresses, models: [blocked], detectors: [email], mode: block, sides: [input] }
  - { name: hide-addresses, models: [masked], detectors: [email], mode: mask, sides: [input] }
rate_limits:
  - { name: one-a-day, count: requests, amount: 1, window: day, per: [key], where: 'route == "limited"' }
  - { name: one-of-a-flood, count: requests, amount: 1, window: day, per: [key], where: 'route == "flooded"' }
`,
  });
  const { teams } = await weir.client(PolicyService).listTeams({});
  ({ id: teamId, organizationId } = teams[0]!);
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([upstream?.stop(), broken?.stop()]);
});

async function ask(model: string, content: unknown = `${prompt} ${address}`, key = weir.inferenceKey): Promise<{ status: number; requestId: string; text: string }> {
  const response = await fetch(`${weir.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "x-weir-labels": "application=shop" },
    body: JSON.stringify({ model, max_completion_tokens: 9, messages: [{ role: "user", content }] }),
  });
  return { status: response.status, requestId: response.headers.get("x-request-id")!, text: await response.text() };
}

/** The record of a request, as soon as it is kept: a second or so after its end. */
async function recordOf(requestId: string): Promise<RequestRecord> {
  let records: readonly RequestRecord[] = [];
  await expect.poll(async () => ({ records } = await weir.client(MeteringService).listRequests({ requestId })).records, { timeout: 15_000, message: requestId }).toHaveLength(1);
  return records[0]!;
}

const picture = [{ type: "text", text: prompt }, { type: "image_url", image_url: { url: "https://example.com/a.png" } }];

test("a call above a rate limit", async () => {
  expect((await ask("limited")).status).toBe(200);
  const { status, requestId } = await ask("limited");
  expect(status).toBe(429);
  const record = await recordOf(requestId);
  expect(record).toMatchObject({
    requestIds: [requestId],
    count: 1n,
    attribution: { organizationId, teamId, labels: { application: "shop" } },
    operation: "generate",
    model: "limited",
    route: "limited",
    outcome: RequestOutcome.REFUSED,
    errorReason: ErrorReason.RATE_LIMITED,
    errorMessage: expect.stringContaining('The rate limit "one-a-day" is reached: 1 requests per day'),
    target: "",
    passedOver: [],
    findings: [],
  });
  expect(Math.abs(timestampMs(record.startTime!) - Date.now())).toBeLessThan(60_000);
});

test("a call for which a budget has no room", async () => {
  const policy = weir.client(PolicyService);
  await policy.createBudget({ organizationId, name: "small", subject: { labelName: "spender", labelValue: "small" }, period: BudgetPeriod.TOTAL, limitNanos: 1n });
  const { secret, key } = await policy.createKey({ teamId, name: "small", labels: { spender: "small" }, consistency: Consistency.STALE_OK });
  const { status, requestId } = await ask("up/dear", prompt, secret);
  expect(status).toBe(429);
  expect(await recordOf(requestId)).toMatchObject({
    attribution: { keyId: key!.id, labels: { spender: "small" } },
    model: "up/dear",
    route: "",
    outcome: RequestOutcome.REFUSED,
    errorReason: ErrorReason.BUDGET_EXCEEDED,
    errorMessage: expect.stringContaining("small"),
    passedOver: [{ name: "up/dear", reason: ErrorReason.BUDGET_EXCEEDED }],
  });
});

test("a call that a guardrail blocks", async () => {
  const { requestId, text } = await ask("blocked");
  expect(text).toContain("found email in its input");
  expect(await recordOf(requestId)).toMatchObject({ outcome: RequestOutcome.REFUSED, errorReason: ErrorReason.GUARDRAIL_BLOCKED, errorMessage: "", findings: [{ rule: "no-addresses", mode: "block", detector: "email", side: "input" }] });
});

test("a call that is served, and in which a guardrail masked something", async () => {
  const { status, requestId } = await ask("masked");
  expect(status).toBe(200);
  expect(await recordOf(requestId)).toMatchObject({ outcome: RequestOutcome.SERVED, errorReason: ErrorReason.UNSPECIFIED, target: "up/m", findings: [{ rule: "hide-addresses", mode: "mask", detector: "email", side: "input" }] });
});

test("a call that the cache answers", async () => {
  const miss = await ask("cached");
  const sent = upstream.requests.length;
  const hit = await ask("cached");
  expect([hit.status, upstream.requests.length]).toEqual([200, sent]);
  expect(await recordOf(hit.requestId)).toMatchObject({ outcome: RequestOutcome.CACHED, route: "cached", target: "up/m" });
  // Later ones are there, so that the one before has none.
  expect((await weir.client(MeteringService).listRequests({ requestId: miss.requestId })).records).toEqual([]);
});

test("a call that fits no target of its route", async () => {
  const { status, requestId } = await ask("text-only", picture);
  expect(status).toBe(400);
  const record = await recordOf(requestId);
  expect(record).toMatchObject({ route: "text-only", outcome: RequestOutcome.REFUSED, errorReason: ErrorReason.UNSUPPORTED_FIELD });
  const passedOver = { name: "up/text", reason: ErrorReason.UNSUPPORTED_FIELD, message: expect.stringContaining("reads no images") };
  expect(record.passedOver).toMatchObject([passedOver, passedOver]);
});

test("a call whose targets are all down, with why each of them failed, beside its attempts", async () => {
  const { status, requestId } = await ask("all-down");
  expect(status).toBe(502);
  const record = await recordOf(requestId);
  expect(record).toMatchObject({ outcome: RequestOutcome.FAILED, errorReason: ErrorReason.UPSTREAM_UNAVAILABLE, errorMessage: "" });
  expect(record.passedOver.map(({ name, reason, message }) => [name, reason, message])).toEqual([["broken/a", ErrorReason.UPSTREAM_UNAVAILABLE, ""], ["broken/b", ErrorReason.UPSTREAM_UNAVAILABLE, ""]]);
  expect(await weir.attempts(2, { requestId })).toHaveLength(2);
});

test("a call by RPC, one that could not be read, and one of a key that may not: whatever the door, and however early", async () => {
  const policy = weir.client(PolicyService);
  const generate = (key: string) => weir.client(InferenceService, key).generate({ generation: { model: "all-down", messages: [{ role: MessageRole.USER, parts: [{ kind: { case: "text", value: { text: prompt } } }] }] } });
  const byRpc = await generate(weir.inferenceKey).catch((error: unknown) => error as ConnectError);
  expect(await recordOf((byRpc as ConnectError).metadata.get("x-request-id")!)).toMatchObject({ model: "all-down", operation: "generate", errorReason: ErrorReason.UPSTREAM_UNAVAILABLE });

  const unread = await fetch(`${weir.origin}/v1/embeddings`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: `{ "broken": "${prompt}", ` });
  expect(await recordOf(unread.headers.get("x-request-id")!)).toMatchObject({ operation: "embed", model: "", errorReason: ErrorReason.MALFORMED_BODY, attribution: { organizationId } });

  const { key, secret } = await policy.createKey({ teamId, name: "gone", consistency: Consistency.STALE_OK });
  await policy.revokeKey({ keyId: key!.id });
  await expect.poll(async () => (await ask("limited", prompt, secret)).status).toBe(401);
  const revoked = await ask("limited", prompt, secret);
  expect(await recordOf(revoked.requestId)).toMatchObject({ errorReason: ErrorReason.KEY_REVOKED, attribution: { keyId: key!.id }, model: "" });
});

test("a call that is served has none, also where its first target failed; nor has one of nobody", async () => {
  const simple = await ask("up/m");
  const second = await ask("fallback");
  const nobody = await ask("up/m", prompt, "weir_nobody");
  expect([simple.status, second.status, nobody.status]).toEqual([200, 200, 401]);
  await recordOf((await ask("blocked")).requestId);
  for (const { requestId } of [simple, second, nobody]) expect((await weir.client(MeteringService).listRequests({ requestId })).records).toEqual([]);
});

test("a flood of refusals is a few records, which count them all", async () => {
  const { secret, key } = await weir.client(PolicyService).createKey({ teamId, name: "flood", consistency: Consistency.STALE_OK });
  expect((await ask("flooded", prompt, secret)).status).toBe(200);
  const refused = await Promise.all(Array.from({ length: 300 }, () => ask("flooded", prompt, secret)));
  // 503 where a policy on a busy machine does not answer in time.
  expect(refused.filter(({ status }) => status !== 429 && status !== 503)).toEqual([]);
  const recordsOfKey = async () => (await weir.client(MeteringService).listRequests({ keyId: key!.id })).records;
  await expect.poll(async () => (await recordsOfKey()).reduce((sum, { count }) => sum + count, 0n), { timeout: 15_000 }).toBe(300n);
  const records = await recordsOfKey();
  expect(records.length).toBeLessThan(30);
  const sent = new Set(refused.map(({ requestId }) => requestId));
  for (const { requestIds } of records) expect(requestIds.filter((id) => !sent.has(id))).toEqual([]);
});

test("they are found by what is asked for, newest first, page by page", async () => {
  const metering = weir.client(MeteringService);
  const first = await ask("blocked");
  const second = await ask("text-only", picture);
  const records = await Promise.all([recordOf(first.requestId), recordOf(second.requestId)]);
  const [startTime, endTime] = [records[0].startTime!, records[1].startTime!];
  const idsOf = async (filter: object): Promise<string[]> => (await metering.listRequests(filter)).records.flatMap(({ requestIds }) => requestIds);
  expect(await idsOf({ startTime, teamId })).toEqual([second.requestId, first.requestId]);
  expect(await idsOf({ startTime, endTime, organizationId })).toEqual([first.requestId]);
  expect(await idsOf({ startTime, errorReason: ErrorReason.GUARDRAIL_BLOCKED })).toEqual([first.requestId]);
  expect(await idsOf({ startTime, outcome: RequestOutcome.CACHED })).toEqual([]);
  expect(await idsOf({ teamId: "team_other" })).toEqual([]);
  const page = await metering.listRequests({ startTime, pageSize: 1 });
  const next = await metering.listRequests({ startTime, pageSize: 1, pageToken: page.nextPageToken });
  expect([...page.records, ...next.records].flatMap(({ requestIds }) => requestIds)).toEqual([second.requestId, first.requestId]);
  expect(next.nextPageToken).toBe("");
  await expect(metering.listRequests({ pageSize: 1, pageToken: page.nextPageToken })).rejects.toMatchObject({ code: Code.InvalidArgument });
});

test("another organization sees none of them, and keys for inference see nothing", async () => {
  const policy = weir.client(PolicyService);
  const { requestId } = await ask("blocked");
  await recordOf(requestId);
  const { organization } = await policy.createOrganization({ name: "others" });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name: "others" });
  const { secret } = await policy.createKey({ teamId: team!.id, name: "owner", role: Role.OWNER });
  const others = weir.client(MeteringService, secret);
  expect((await others.listRequests({})).records).toEqual([]);
  expect((await others.listRequests({ requestId })).records).toEqual([]);
  await expect(others.listRequests({ organizationId })).rejects.toMatchObject({ code: Code.PermissionDenied });
  await expect(weir.client(MeteringService, weir.inferenceKey).listRequests({})).rejects.toMatchObject({ code: Code.PermissionDenied });
  const { secret: own } = await policy.createKey({ teamId, name: "analyst", role: Role.OWNER });
  expect((await weir.client(MeteringService, own).listRequests({ requestId })).records).toHaveLength(1);
});

test("no record holds what was asked", async () => {
  const { records } = await weir.client(MeteringService).listRequests({ pageSize: 1_000 });
  expect(records.length).toBeGreaterThan(10);
  const text = JSON.stringify(records, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
  for (const secret of [prompt, address, weir.inferenceKey]) expect(text).not.toContain(secret);
});

test("`weir requests` lists them, and shows one whole", async () => {
  const { requestId } = await ask("all-down");
  await recordOf(requestId);
  const run = (...words: string[]): Promise<CommandOutcome> => runWeir(["requests", ...words], { environment: { WEIR_DATA: weir.dataDirectory } });
  const { stdout: list } = await run("--outcome", "failed", "--reason", "upstream_unavailable");
  expect(list).toMatch(/^TIME +REQUEST +OUTCOME +REASON +COUNT +MODEL +KEY +NAME +WHY\n/);
  expect(list).toContain(requestId);
  expect(list).not.toContain("RATE_LIMITED");
  await weir.attempts(2, { requestId });
  const { stdout: whole } = await run("--request", requestId);
  expect(whole).toMatch(/outcome +failed/);
  expect(whole).toContain("broken/b: UPSTREAM_UNAVAILABLE");
  expect(await run("--reason", "bad_luck")).toMatchObject({ code: 1, stderr: expect.stringContaining("none of") });
});
