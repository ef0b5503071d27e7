/** Proves that Anthropic's batches of messages are an organization's own, that budgets hold their bound until they are over, and that the ledger then has the sum of their results: by Anthropic's own client. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { canceled, errored, expired, MessageBatchAccount, succeeded } from "../harness/message-batch-account.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir, type WeirClient } from "../harness/start-weir.ts";
import { currentWiring } from "../harness/wiring.ts";

const account = new MessageBatchAccount();
let upstream: ScriptedProvider;
let config: string;
let weir: Weir;
let client: Anthropic;
let teamId: string;
let organizationId: string;

beforeAll(async () => {
  upstream = await startScriptedProvider(account.answer);
  config = `
providers:
  ant: { vendor: anthropic, api_key: sk-secret, base_url: "${upstream.baseUrl}", models: [claude-m, dear], only_listed_models: true }
  oai: { vendor: openai, api_key: sk-secret, base_url: "${upstream.baseUrl}", models: [m], responses_api: true }
routes:
  anyone: { targets: [ant/claude-m] }
prices:
  anthropic/claude-m: { input: "2", cached_input: "0.2", cache_write_5m: "2.5", cache_write_1h: "4", output: "10", tier_multipliers: { batch: "0.5" } }
`;
  weir = await startWeir({ config });
  const { teams } = await weir.client(PolicyService).listTeams({ pageSize: 100 });
  ({ id: teamId, organizationId } = teams.find(({ name }) => name === "default")!);
  client = as(weir.inferenceKey);
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

const as = (apiKey: string, { origin }: WeirClient = weir): Anthropic => new Anthropic({ baseURL: origin, apiKey, maxRetries: 0 });

type Request = Anthropic.Messages.BatchCreateParams.Request;
const request = (customId: string, params: object = {}): Request => ({ custom_id: customId, params: { model: "claude-m", max_tokens: 100, messages: [{ role: "user", content: "Hi" }], ...params } });
const make = (owner: Anthropic, requests: readonly Request[] = [request("a"), request("b")]): Promise<Anthropic.Messages.MessageBatch> => owner.messages.batches.create({ requests: [...requests] });
/** By which the vendor knows the newest. */
const newest = (): string => account.batches.at(-1)!.id;

/** The ledger's line of the newest batch. */
async function newestLine(of: WeirClient = weir): Promise<Attempt> {
  const find = async (): Promise<Attempt | undefined> => (await of.attempts(1)).filter(({ event }) => event?.intent?.operation === "batches").toSorted(byId).at(-1);
  await expect.poll(find).toBeDefined();
  return (await find())!;
}

function byId({ event: left }: Attempt, { event: right }: Attempt): number {
  return left!.intent!.attemptId < right!.intent!.attemptId ? -1 : 1;
}

async function keyWithBudget(limitNanos: bigint): Promise<{ owner: Anthropic; usage: () => Promise<{ postedNanos: bigint }> }> {
  const policy = weir.client(PolicyService);
  const spender = `spender ${limitNanos}`;
  const { budget } = await policy.createBudget({ organizationId, name: spender, subject: { labelName: "spender", labelValue: spender }, period: BudgetPeriod.TOTAL, limitNanos });
  const { secret } = await policy.createKey({ teamId, name: spender, labels: { spender }, consistency: Consistency.STALE_OK });
  return { owner: as(secret), usage: async () => (await policy.listBudgets({ pageSize: 1_000 })).budgets.find(({ id }) => id === budget!.id)!.usage! };
}

test("the SDK makes, looks up, lists, cancels and deletes batches, and reads their results, each with ids of its owner's", async () => {
  const batch = await make(client);
  expect(batch).toMatchObject({ type: "message_batch", processing_status: "in_progress", results_url: null, id: expect.stringMatching(/^msgbatch_1\.ant\.[\w-]{22}$/) as string });
  expect(account.batches[0]!.requests).toEqual([request("a"), request("b")]);
  expect(await client.messages.batches.retrieve(batch.id)).toEqual(batch);
  // The model is spelt out for Weir alone.
  const others = [await make(client, [request("c", { model: "ant/claude-m" })]), await make(client)];
  expect(account.batches[1]!.requests).toEqual([request("c")]);
  const ids = [others[1]!.id, others[0]!.id, batch.id];
  const listed: string[] = [];
  for await (const { id } of client.messages.batches.list({ limit: 1 })) listed.push(id);
  expect(listed).toEqual(ids);
  const backwards: string[] = [];
  for await (const { id } of client.messages.batches.list({ limit: 1, before_id: batch.id })) backwards.push(id);
  expect(backwards).toEqual([ids[1], ids[0]]);
  expect((await client.messages.batches.list({ limit: 2, before_id: batch.id })).data.map(({ id }) => id)).toEqual([ids[0], ids[1]]);
  expect((await client.messages.batches.cancel(others[1]!.id)).processing_status).toBe("canceling");
  const results = [succeeded("b", { input_tokens: 1, output_tokens: 1 }), errored("a")];
  account.end("msgbatch_1", results);
  await expect(client.messages.batches.results(others[0]!.id)).rejects.toThrow(/results_url|processing/i);
  const read: object[] = [];
  for await (const line of await client.messages.batches.results(batch.id)) read.push(line);
  expect(read).toEqual(results);
  expect(await client.messages.batches.delete(batch.id)).toEqual({ id: batch.id, type: "message_batch_deleted" });
  await expect(client.messages.batches.retrieve(batch.id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
});

test("betas go on to the vendor with a batch", async () => {
  await client.beta.messages.batches.create({ requests: [request("a") as Anthropic.Beta.Messages.BatchCreateParams.Request], betas: ["output-300k-2026-03-24"] });
  expect(upstream.requests.at(-1)!.headers["anthropic-beta"]).toContain("output-300k-2026-03-24");
});

test("a budget holds a batch's bound at the price of batches until it is over, then the sum of its results, once", async () => {
  const outputNanos = 4n * 100n * 5_000n;
  const { owner, usage } = await keyWithBudget(20_000_000n);
  const batch = await make(owner, ["a", "b", "c", "d"].map((id) => request(id)));
  const made = await newestLine();
  expect(made.event).toMatchObject({ rank: UsageSource.UNSPECIFIED, intent: { operation: "batches", model: "claude-m", provider: "ant" } });
  expect(made.costNanos).toBeUndefined();
  await expect.poll(async () => (await usage()).postedNanos).toBeGreaterThan(outputNanos);
  expect((await usage()).postedNanos).toBeLessThan(2n * outputNanos + 1_000_000n);
  account.end(newest(), [
    succeeded("b", { input_tokens: 30, output_tokens: 20, cache_read_input_tokens: 7, cache_creation_input_tokens: 11, cache_creation: { ephemeral_5m_input_tokens: 8, ephemeral_1h_input_tokens: 3 } }),
    errored("c"),
    succeeded("a", { input_tokens: 5, output_tokens: 9, output_tokens_details: { thinking_tokens: 4 } }),
    expired("d"),
  ]);
  await Promise.all([1, 2, 3].map(() => owner.messages.batches.retrieve(batch.id)));
  const costNanos = 35n * 1_000n + 7n * 100n + 8n * 1_250n + 3n * 2_000n + 29n * 5_000n;
  await expect.poll(async () => (await usage()).postedNanos).toBe(costNanos);
  const settled = await newestLine();
  expect(settled.costNanos).toBe(costNanos);
  expect(settled.event).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { serviceTier: "batch", finishReason: "ended", servedModel: "claude-m", result: AttemptResult.INTERRUPTED } });
  expect(settled.event!.outcome!.usage!.quantities.find(({ meter }) => meter === Meter.REASONING_OUTPUT_TOKENS)?.quantity).toBe(4n);
  expect(upstream.requests.filter(({ path }) => path.endsWith(`${newest()}/results`)), "read once for the ledger").toHaveLength(1);
  expect(await weir.client(PolicyService).checkBudgets({})).toMatchObject({ differences: [], leaseDifferences: [] });
});

test("requests that were cancelled, failed or ran out of time cost nothing", async () => {
  const { owner, usage } = await keyWithBudget(30_000_000n);
  const batch = await make(owner);
  await expect.poll(async () => (await usage()).postedNanos).toBeGreaterThan(0n);
  await owner.messages.batches.cancel(batch.id);
  account.end(newest(), [canceled("a"), expired("b")]);
  expect((await owner.messages.batches.retrieve(batch.id)).request_counts).toMatchObject({ canceled: 1, expired: 1 });
  await expect.poll(usage).toMatchObject({ postedNanos: 0n });
  expect(await newestLine()).toMatchObject({ costNanos: 0n, event: { outcome: { result: AttemptResult.CANCELLED, usage: { quantities: [] } } } });
});

test("a batch is deleted once the ledger has what it consumed, though nobody looked before", async () => {
  const batch = await make(client);
  await expect(client.messages.batches.delete(batch.id)).rejects.toMatchObject({ status: 400, message: expect.stringContaining("not over") as string });
  account.end(newest(), [succeeded("a", { input_tokens: 30, output_tokens: 20 }), canceled("b")]);
  await client.messages.batches.delete(batch.id);
  await expect.poll(async () => (await newestLine()).costNanos).toBe(30n * 1_000n + 20n * 5_000n);
});

test("a batch that a budget has no room for, or that the vendor refuses, is not made and costs nothing", async () => {
  const { owner, usage } = await keyWithBudget(1_500_000n);
  const place = account.batches.length;
  await expect(make(owner, Array.from({ length: 100 }, (_, index) => request(String(index))))).rejects.toMatchObject({ status: 429 });
  await expect(make(owner, [request("a", { model: "dear" })])).rejects.toMatchObject({ status: 400, message: expect.stringContaining("price") as string });
  upstream.answerWith(json(400, { type: "error", error: { type: "invalid_request_error", message: "no" } }));
  await expect(make(owner, [request("a")])).rejects.toMatchObject({ status: 400 });
  upstream.answerWith(account.answer);
  await expect.poll(usage).toMatchObject({ postedNanos: 0n });
  expect(account.batches).toHaveLength(place);
  expect((await make(owner, [request("a")])).processing_status).toBe("in_progress");
});

test.each([
  { case: "no request", requests: [], message: "requests must be" },
  { case: "what is no object", requests: [request("a"), 7], message: "requests[1]:" },
  { case: "a request without params", requests: [request("a"), { custom_id: "b" }], message: "requests[1]: params" },
  { case: "a request without an id", requests: [{ params: request("a").params }], message: "requests[0]: custom_id" },
  { case: "another model", requests: [request("a"), request("b", { model: "dear" })], message: "requests[1]: params.model" },
  { case: "a model that is not there", requests: [request("a", { model: "gone" })], message: "requests[0]:", status: 404 },
  { case: "a route", requests: [request("a", { model: "anyone" })], message: "requests[0]:", status: 404 },
  { case: "a model of another vendor", requests: [request("a", { model: "oai/m" })], message: "requests[0]:", status: 404 },
  { case: "a stream", requests: [request("a", { stream: true })], message: "requests[0]: params.stream" },
  { case: "a file of somebody's", requests: [request("a", { messages: [{ role: "user", content: [{ type: "document", source: { type: "file", file_id: "file_1" } }] }] })], message: "requests[0]: messages[0].content[0].source.file_id" },
  { case: "a search of the vendor's", requests: [request("a", { tools: [{ type: "web_search_20250305", name: "web_search" }] })], message: "requests[0]: params.tools" },
  { case: "a prompt that may be long", requests: [request("a", { messages: [{ role: "user", content: "x".repeat(210_000) }] })], message: "200000 tokens" },
  { case: "a faulty message", requests: [request("a"), request("b"), request("c", { messages: 1 })], message: "requests[2]: messages" },
])("a batch with $case is refused with the place at fault, before it is made", async ({ requests, message, status = 400 }) => {
  const place = account.batches.length;
  await expect(make(client, requests as Request[])).rejects.toMatchObject({ status, message: expect.stringContaining(message) as string });
  expect(account.batches).toHaveLength(place);
});

test("a model that stands twice in a request is refused: readers differ in which one counts", async () => {
  const body = JSON.stringify({ requests: [request("a")] }).replace('"model":', '"model":"dear","model":');
  const response = await fetch(`${weir.origin}/v1/messages/batches`, { method: "POST", headers: { "x-api-key": weir.inferenceKey, "anthropic-version": "2023-06-01", "content-type": "application/json" }, body });
  expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("twice")]);
});

test("what is another organization's is not there, and a key makes batches of what it may call", async () => {
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name: "other" });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name: "team" });
  const { secret } = await policy.createKey({ teamId: team!.id, name: "key", role: Role.INFERENCE });
  const stranger = as(secret);
  const batch = await make(client);
  account.end(newest(), [succeeded("a", { input_tokens: 1, output_tokens: 1 })]);
  for (const id of [batch.id, newest()]) {
    await expect(stranger.messages.batches.retrieve(id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(stranger.messages.batches.cancel(id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(stranger.messages.batches.delete(id)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
    await expect(stranger.get(`/v1/messages/batches/${id}/results`)).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  }
  expect((await stranger.messages.batches.list()).data).toEqual([]);
  const own = await make(stranger);
  expect((await stranger.messages.batches.list()).data.map(({ id }) => id)).toEqual([own.id]);
  expect((await client.messages.batches.list({ limit: 1_000 })).data.map(({ id }) => id.split(".")[0])).not.toContain(newest());
  // Not by OpenAI's door either, which knows other batches.
  const byOpenai = await fetch(`${weir.origin}/v1/batches/${batch.id}`, { headers: { authorization: `Bearer ${weir.inferenceKey}` } });
  expect(byOpenai.status).toBe(404);
  const { secret: bound } = await policy.createKey({ teamId, name: "bound", role: Role.INFERENCE, scope: { models: ["ant/dear"] } });
  await expect(make(as(bound))).rejects.toMatchObject({ status: 403, message: expect.stringContaining("requests[0]") as string });
});

test("batches of others that are more than Weir looks through keep nobody from those of their own that it found", async () => {
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name: "crowded" });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name: "team" });
  const { secret } = await policy.createKey({ teamId: team!.id, name: "key", role: Role.INFERENCE });
  const crowded = as(secret);
  for (let others = 0; others <= 5 * account.pageSize; others++) await make(client);
  await expect(crowded.messages.batches.list()).rejects.toMatchObject({ status: 400, message: expect.stringContaining("looked through") as string });
  const own = await make(crowded);
  const { data, has_more: hasMore } = await crowded.messages.batches.list();
  expect([data.map(({ id }) => id), hasMore]).toEqual([[own.id], true]);
});

test("no batch is made where a guardrail is for its calls", async () => {
  const policy = weir.client(PolicyService);
  const { secret, key } = await policy.createKey({ teamId, name: "guarded", role: Role.INFERENCE });
  await policy.createGuardrail({ rule: { organizationId, keyId: key!.id, name: "people", detectors: ["email"], mode: "block" } });
  await expect.poll(() => make(as(secret)).then(() => 200, ({ status }: { status: number }) => status)).toBe(503);
});

test("a caller that goes away while its batch is made finds it in the list, and the ledger what it consumed", async () => {
  const { owner, usage } = await keyWithBudget(40_000_000n);
  const arrived = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  upstream.answerWith(async (asked, response) => {
    arrived.resolve();
    await goOn.promise;
    await account.answer(asked, response);
  });
  const gone = new AbortController();
  const making = owner.messages.batches.create({ requests: [request("a")] }, { signal: gone.signal });
  await arrived.promise;
  gone.abort();
  await expect(making).rejects.toBeInstanceOf(Anthropic.APIUserAbortError);
  goOn.resolve();
  upstream.answerWith(account.answer);
  const isListed = async (): Promise<boolean> => (await owner.messages.batches.list({ limit: 1 })).data[0]?.id.startsWith(`${newest()}.`) === true;
  await expect.poll(isListed).toBe(true);
  account.end(newest(), [succeeded("a", { input_tokens: 3, output_tokens: 4 })]);
  await owner.messages.batches.retrieve((await owner.messages.batches.list({ limit: 1 })).data[0]!.id);
  await expect.poll(async () => (await usage()).postedNanos).toBe(3n * 1_000n + 4n * 5_000n);
});

// What becomes of services that are killed apart is proven by test/apart.
test.runIf(currentWiring() === "together")("a batch outlives the Weir that made it: the next one tells the ledger what it consumed", async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), "weir-batches-"));
  const killed = await startWeir({ config, dataDirectory });
  const { id } = await make(as(killed.inferenceKey, killed));
  await killed.stop("SIGKILL");
  account.end(newest(), [succeeded("a", { input_tokens: 30, output_tokens: 20 }), succeeded("b", { input_tokens: 1, output_tokens: 2 })]);
  const next = await startWeir({ config, dataDirectory });
  expect((await as(next.inferenceKey, next).messages.batches.retrieve(id)).processing_status).toBe("ended");
  await expect.poll(async () => (await newestLine(next)).costNanos).toBe(31n * 1_000n + 22n * 5_000n);
  await next.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});
