/** Proves that batches are an organization's own, that budgets hold their bound until they are over, and that the ledger then has what they consumed: by OpenAI's own client, and by RPC. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code } from "@connectrpc/connect";
import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BatchStatus } from "#gen/weir/inference/v1/batch_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { BatchAccount } from "../harness/batch-account.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir, type WeirClient } from "../harness/start-weir.ts";
import { currentWiring } from "../harness/wiring.ts";

const account = new BatchAccount();
let upstream: ScriptedProvider;
let config: string;
let weir: Weir;
let client: OpenAI;
let teamId: string;
let organizationId: string;

beforeAll(async () => {
  upstream = await startScriptedProvider(account.answer);
  config = `
providers:
  oai: { vendor: openai, api_key: sk-secret, base_url: "${upstream.baseUrl}", responses_api: true, models: [m, dear], only_listed_models: true }
prices:
  openai/m: { input: "2", cached_input: "1", output: "10", tier_multipliers: { batch: "0.5" }, long_prompt: { above_input_tokens: 1000, input: "4", output: "20" } }
models: { openai/dear: { max_output_tokens: 1000 } }
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

const as = (apiKey: string, { origin }: WeirClient = weir): OpenAI => new OpenAI({ baseURL: `${origin}/v1`, apiKey, maxRetries: 0 });
const url = "/v1/chat/completions";
const line = (body: object, members: object = {}): object => ({ custom_id: "a", method: "POST", url, body: { model: "m", messages: [{ role: "user", content: "Hi" }], max_completion_tokens: 100, ...body }, ...members });

async function upload(owner: OpenAI, lines: readonly object[]): Promise<string> {
  const { id } = await owner.files.create({ file: await toFile(Buffer.from(lines.map((one) => `${JSON.stringify(one)}\n`).join("")), "calls.jsonl"), purpose: "batch" });
  return id;
}

async function make(owner: OpenAI, lines: readonly object[], metadata?: Record<string, string>): Promise<OpenAI.Batch> {
  return owner.batches.create({ input_file_id: await upload(owner, lines), endpoint: url, completion_window: "24h", ...(metadata === undefined ? {} : { metadata }) });
}

/** The ledger's line of the batch that the vendor knows by this place. */
async function lineOf(place: number, of: WeirClient = weir): Promise<Attempt> {
  const { weir_attempt: attemptId } = account.batches[place]!["metadata"] as Record<string, string>;
  const find = async (): Promise<Attempt | undefined> => (await of.attempts(1)).find(({ event }) => event?.intent?.attemptId === attemptId);
  await expect.poll(find).toBeDefined();
  return (await find())!;
}

async function keyWithBudget(limitNanos: bigint): Promise<{ owner: OpenAI; usage: () => Promise<{ postedNanos: bigint; heldNanos: bigint }> }> {
  const policy = weir.client(PolicyService);
  const spender = `spender ${limitNanos}`;
  const { budget } = await policy.createBudget({ organizationId, name: spender, subject: { labelName: "spender", labelValue: spender }, period: BudgetPeriod.TOTAL, limitNanos });
  const { secret } = await policy.createKey({ teamId, name: spender, labels: { spender }, consistency: Consistency.STALE_OK });
  return { owner: as(secret), usage: async () => (await policy.listBudgets({ pageSize: 1_000 })).budgets.find(({ id }) => id === budget!.id)!.usage! };
}

test("the openai SDK makes, looks up, lists and cancels batches, each with ids and metadata of its owner's", async () => {
  const batch = await make(client, [line({}), line({})], { job: "nightly" });
  expect(batch).toMatchObject({ object: "batch", status: "in_progress", metadata: { job: "nightly" }, id: expect.stringMatching(/^batch_1\.oai\./) as string, input_file_id: expect.stringMatching(/^file-1\.oai\./) as string });
  expect(account.batches[0]).toMatchObject({ input_file_id: "file-1", endpoint: url, metadata: { job: "nightly", weir_attempt: expect.stringMatching(/^att_/) as string } });
  const other = await make(client, [line({})]);
  expect(await client.batches.retrieve(batch.id)).toEqual(batch);
  const listed: string[] = [];
  for await (const { id } of client.batches.list({ limit: 1 })) listed.push(id);
  expect(listed).toEqual([other.id, batch.id]);
  expect((await client.batches.cancel(other.id)).status).toBe("cancelled");
  account.end("batch_1", { input: 0, cached: 0, output: 0, reasoning: 0 });
  const over = await client.batches.retrieve(batch.id);
  expect(await (await client.files.content(over.output_file_id!)).text()).toBe('{"custom_id":"a"}\n');
  await expect.poll(async () => (await lineOf(1)).event?.outcome).toMatchObject({ finishReason: "cancelled", usage: { quantities: [] } });
});

test("the same batches come by RPC", async () => {
  const rpc = weir.client(InferenceService, weir.inferenceKey);
  const place = account.batches.length;
  const inputFileId = await upload(client, [line({})]);
  const { batch } = await rpc.createBatch({ inputFileId, endpoint: url, metadata: { job: "nightly" } });
  expect(batch).toMatchObject({ inputFileId, endpoint: url, status: BatchStatus.IN_PROGRESS, metadata: { job: "nightly" }, outputFileId: "" });
  expect(await client.batches.retrieve(batch!.id)).toMatchObject({ id: batch!.id, metadata: { job: "nightly" } });
  const other = await make(client, [line({})]);
  const listed: string[] = [];
  for (let pageToken = "", page = 0; page === 0 || (pageToken !== "" && page < 2); page++) {
    const { batches, nextPageToken } = await rpc.listBatches({ pageSize: 1, pageToken });
    listed.push(...batches.map(({ id }) => id));
    pageToken = nextPageToken;
  }
  expect(listed).toEqual([other.id, batch!.id]);
  expect((await rpc.cancelBatch({ id: other.id })).batch).toMatchObject({ status: BatchStatus.CANCELLED });
  account.end(account.batches[place]!.id, { input: 30, cached: 0, output: 20, reasoning: 0 });
  const { batch: over } = await rpc.getBatch({ id: batch!.id });
  expect(over!.status).toBe(BatchStatus.COMPLETED);
  expect(await (await client.files.content(over!.outputFileId)).text()).toBe('{"custom_id":"a"}\n');
  await expect.poll(async () => (await lineOf(place)).costNanos).toBe(30n * 1_000n + 20n * 5_000n);
  await expect(rpc.createBatch({ inputFileId, endpoint: url, metadata: { weir_organization: "org_other" } })).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(rpc.createBatch({ inputFileId, endpoint: "/v1/images/generations" })).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(rpc.getBatch({ id: "batch_1" })).rejects.toMatchObject({ code: Code.NotFound });
});

test("a budget holds a batch's bound at the price of batches until it is over, then what it consumed, once", async () => {
  // 100 tokens out for each line, at 5 dollars a million.
  const outputNanos = 2n * 100n * 5_000n;
  const { owner, usage } = await keyWithBudget(20_000_000n);
  const place = account.batches.length;
  const batch = await make(owner, [line({}), line({})]);
  const made = await lineOf(place);
  expect(made.event).toMatchObject({ rank: UsageSource.UNSPECIFIED, intent: { operation: "batches", model: "m", provider: "oai" } });
  expect(made.costNanos).toBeUndefined();
  await expect.poll(async () => (await usage()).postedNanos).toBeGreaterThan(outputNanos);
  // Of the input a token for each byte, and what vendors write around it, at a dollar a million.
  expect((await usage()).postedNanos).toBeLessThan(2n * outputNanos + 200_000n);
  // Beyond what is told of one call to be a long prompt.
  account.end(account.batches[place]!.id, { input: 2_000, cached: 400, output: 150, reasoning: 50 });
  for (let look = 0; look < 3; look++) expect((await owner.batches.retrieve(batch.id)).status).toBe("completed");
  const costNanos = 1_600n * 1_000n + 400n * 500n + 150n * 5_000n;
  await expect.poll(async () => (await usage()).postedNanos).toBe(costNanos);
  const settled = await lineOf(place);
  expect(settled.costNanos).toBe(costNanos);
  expect(settled.event).toMatchObject({ rank: UsageSource.PROVIDER, outcome: { serviceTier: "batch", finishReason: "completed" } });
  expect(settled.event!.outcome!.usage!.quantities.find(({ meter }) => meter === Meter.REASONING_OUTPUT_TOKENS)?.quantity).toBe(50n);
  expect(await weir.client(PolicyService).checkBudgets({})).toMatchObject({ differences: [], leaseDifferences: [] });
});

test("a batch that a budget has no room for, or that the vendor refuses, is not made and costs nothing", async () => {
  const { owner, usage } = await keyWithBudget(1_500_000n);
  const place = account.batches.length;
  await expect(make(owner, Array.from({ length: 100 }, () => line({})))).rejects.toMatchObject({ status: 429, code: "insufficient_quota" });
  await expect(make(owner, [line({ model: "dear" })])).rejects.toMatchObject({ status: 400, code: "unpriced_model" });
  await expect(make(owner, [line({ max_completion_tokens: undefined })])).rejects.toMatchObject({ status: 400, code: "unbounded_cost" });
  expect(account.batches).toHaveLength(place);
  const file = await upload(owner, [line({})]);
  upstream.answerWith((request, response) => (request.path === "/v1/batches" ? json(400, { error: { message: "no", type: "invalid_request_error", param: null, code: null } }) : account.answer)(request, response));
  await expect(owner.batches.create({ input_file_id: file, endpoint: url, completion_window: "24h" })).rejects.toMatchObject({ status: 400 });
  upstream.answerWith(account.answer);
  await expect.poll(usage).toMatchObject({ postedNanos: 0n });
  expect((await make(owner, [line({})])).status).toBe("in_progress");
});

test.each([
  { case: "another endpoint", lines: [line({}), line({}, { url: "/v1/embeddings" })], message: "line 2: url" },
  { case: "another model", lines: [line({}), line({ model: "dear" })], message: "line 2: body.model" },
  { case: "a model that is not there", lines: [line({ model: "gone" })], message: "line 1:", status: 404 },
  { case: "what is no JSON", lines: [line({}), "{"], message: "line 2:" },
  { case: "a file of somebody's", lines: [line({ messages: [{ role: "user", content: [{ type: "file", file: { file_id: "file-1" } }] }] })], message: "line 1: " },
  { case: "a search of the vendor's", lines: [line({ web_search_options: {} })], message: "web_search_options" },
  { case: "a prompt that may be long", lines: [line({ messages: [{ role: "user", content: "x".repeat(210_000) }] })], message: "200000 tokens" },
  { case: "a prompt cache", lines: [line({ prompt_cache_key: "k" })], message: "prompt_cache_key" },
  { case: "a stream", lines: [line({ stream: true })], message: "body.stream" },
  { case: "nothing", lines: [], message: "a line for each call" },
])("a file with $case is refused with the line at fault, before a batch is made", async ({ lines, message, status = 400 }) => {
  const place = account.batches.length;
  const text = lines.map((one) => `${typeof one === "string" ? one : JSON.stringify(one)}\n`).join("");
  const { id } = await client.files.create({ file: await toFile(Buffer.from(text), "calls.jsonl"), purpose: "batch" });
  await expect(client.batches.create({ input_file_id: id, endpoint: url, completion_window: "24h" })).rejects.toMatchObject({ status, message: expect.stringContaining(message) as string });
  expect(account.batches).toHaveLength(place);
});

test("what is another organization's is not there, and a key makes batches of what it may call", async () => {
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name: "other" });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name: "team" });
  const { secret } = await policy.createKey({ teamId: team!.id, name: "key", role: Role.INFERENCE });
  const stranger = as(secret);
  const batch = await make(client, [line({})]);
  for (const id of [batch.id, "batch_1", batch.input_file_id]) {
    await expect(stranger.batches.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(stranger.batches.cancel(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  }
  await expect(stranger.batches.create({ input_file_id: batch.input_file_id, endpoint: url, completion_window: "24h" })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  expect((await stranger.batches.list()).data).toEqual([]);
  const { secret: bound } = await policy.createKey({ teamId, name: "bound", role: Role.INFERENCE, scope: { models: ["oai/dear"] } });
  await expect(make(as(bound), [line({})])).rejects.toMatchObject({ status: 403, code: "model_not_allowed" });
});

test("no batch is made where a guardrail is for its calls", async () => {
  const policy = weir.client(PolicyService);
  const { secret, key } = await policy.createKey({ teamId, name: "guarded", role: Role.INFERENCE });
  await policy.createGuardrail({ rule: { organizationId, keyId: key!.id, name: "people", detectors: ["email"], mode: "block" } });
  const owner = as(secret);
  const file = await upload(owner, [line({})]);
  await expect.poll(() => owner.batches.create({ input_file_id: file, endpoint: url, completion_window: "24h" }).then(() => 200, ({ code }: { code: string }) => code)).toBe("guardrail_unavailable");
});

// What becomes of services that are killed apart is proven by test/apart.
test.runIf(currentWiring() === "together")("a batch outlives the Weir that made it: the next one tells the ledger what it consumed", async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), "weir-batches-"));
  const killed = await startWeir({ config, dataDirectory });
  const place = account.batches.length;
  const { id } = await make(as(killed.inferenceKey, killed), [line({}), line({})]);
  await killed.stop("SIGKILL");
  account.end(account.batches[place]!.id, { input: 30, cached: 0, output: 20, reasoning: 0 });
  const next = await startWeir({ config, dataDirectory });
  expect((await as(next.inferenceKey, next).batches.retrieve(id)).status).toBe("completed");
  await expect.poll(async () => (await lineOf(place, next)).costNanos).toBe(30n * 1_000n + 20n * 5_000n);
  await next.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});
