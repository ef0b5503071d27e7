/** Owns the proof that the ledger hears once what each batch consumed, whoever dies or is away meanwhile. */
import type { ServerResponse } from "node:http";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AttemptIntentSchema, AttemptResult, type AttemptIntent, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import { newId } from "#platform/ids.ts";
import { createLogger } from "#platform/logger.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { createTestDatabase } from "../../test/harness/database.ts";
import { BatchSettlement } from "./batch-settlement.ts";
import { anthropicVendor } from "./edge/anthropic/anthropic-vendor.ts";
import { LiveProviders } from "./edge/live-providers.ts";
import { openaiVendorWithResponses } from "./edge/openai/openai-vendor.ts";
import { migrationsDirectory } from "./service.ts";
import { answerJson, startScriptedVendor, type ScriptedVendor } from "./testing/scripted-vendor.ts";
import { configOf } from "./testing/start-providers.ts";

const hourMs = 3_600_000;
const logger = createLogger("silent");

let vendor: ScriptedVendor;
let database: Database;
let providers: LiveProviders;
let settlements: BatchSettlement[];
let nowMs: number;
let events: UsageEvent[];
let ledgerIsDown: boolean;
const clock: Clock = { now: () => nowMs, monotonicMs: () => performance.now() };

beforeEach(async () => {
  vendor = await startScriptedVendor();
  database = await createTestDatabase({ schema: "providers", migrationsDirectory });
  providers = new LiveProviders({ clock, logger, stored: { of: () => [], refused: () => undefined, accepted: () => undefined } });
  await providers.apply(configOf({ baseUrl: vendor.baseUrl, adapter: openaiVendorWithResponses }));
  settlements = [];
  nowMs = Date.now();
  events = [];
  ledgerIsDown = false;
});
afterEach(async () => {
  await Promise.all(settlements.map((settlement) => settlement.stop()));
  await providers.stop();
  await database.close();
  await vendor.close();
});

/** As of one process. */
function start(from = providers, at = database, options: { readonly replyTimeoutMs?: number } = {}): BatchSettlement {
  const transport = {
    deliver: (delivered: readonly { readonly id: string; readonly event: UsageEvent }[]) => {
      if (ledgerIsDown) return Promise.reject(new Error("away"));
      events.push(...delivered.map(({ event }) => event));
      return Promise.resolve({ confirmedIds: delivered.map(({ id }) => id), rejectedIds: [] });
    },
  };
  const settlement = new BatchSettlement({ database: () => Promise.resolve(at), isNeeded: () => true, providers: from, transport, clock, logger, lookIntervalMs: hourMs, ...options });
  settlements.push(settlement);
  return settlement;
}

const intentOf = (): AttemptIntent => create(AttemptIntentSchema, { attemptId: newId("att", clock), provider: "main", vendor: "openai", model: "m", attribution: { organizationId: "org_1" }, leaseId: "lea_1", boundNanos: 7n });

const batchOf = (attemptId: string, members: object = {}): object => ({ id: `batch_${attemptId}`, created_at: Math.floor(nowMs / 1_000), status: "in_progress", metadata: { weir_attempt: attemptId }, ...members });
const completed = { status: "completed", completed_at: 2_000_000_000, request_counts: { completed: 2 }, usage: { input_tokens: 5, input_tokens_details: { cached_tokens: 2 }, output_tokens: 3 } };

/** In pages of one. */
function list(...batches: object[]): void {
  vendor.answer((response, request) => {
    const after = new URLSearchParams(request.path.split("?")[1]).get("after");
    const index = batches.findIndex((batch) => (batch as { id: string }).id === after) + 1;
    return answerJson(200, { object: "list", data: batches.slice(index, index + 1), has_more: index + 1 < batches.length })(response, request);
  });
}

const left = async (): Promise<number> => (await database.query("SELECT 1 FROM batches")).rows.length;

it("hears of a batch whose maker was killed before the vendor's reply, by the mark that it bears there", async () => {
  const intent = intentOf();
  await start().expect(intent, "");
  nowMs += hourMs;
  list(batchOf("att_of_another_installation", completed), batchOf(intent.attemptId, completed));
  await start().look();
  expect(events).toMatchObject([{ intent: { attemptId: intent.attemptId, leaseId: "lea_1", boundNanos: 7n }, rank: UsageSource.PROVIDER, journalId: "", outcome: { result: AttemptResult.SUCCEEDED, serviceTier: "batch", finishReason: "completed" } }]);
  expect(events[0]!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([3n, 2n, 3n]);
  expect(await left()).toBe(0);
});

it("hears of it again and again until it has confirmed, and not of what goes on", async () => {
  const [over, running] = [intentOf(), intentOf()];
  const settlement = start();
  await settlement.expect(over, "");
  await settlement.expect(running, "");
  list(batchOf(running.attemptId), batchOf(over.attemptId, completed));
  await settlement.look();
  expect(vendor.requests, "nothing is due yet").toHaveLength(0);
  ledgerIsDown = true;
  nowMs += hourMs;
  await settlement.look();
  expect(await left()).toBe(2);
  ledgerIsDown = false;
  nowMs += hourMs;
  await settlement.look();
  expect(events.map(({ intent }) => intent!.attemptId)).toEqual([over.attemptId]);
  expect(await left()).toBe(1);
});

it("is told by one of several processes, which asks the vendor once for all that are due", async () => {
  const intents = [intentOf(), intentOf(), intentOf()];
  const [one, other] = [start(), start()];
  for (const intent of intents) await one.expect(intent, "");
  vendor.answer(answerJson(200, { object: "list", data: intents.map(({ attemptId }) => batchOf(attemptId, completed)), has_more: false }));
  nowMs += hourMs;
  await Promise.all([one.look(), other.look()]);
  expect(vendor.requests).toHaveLength(1);
  expect(new Set(events.map(({ intent }) => intent!.attemptId))).toEqual(new Set(intents.map(({ attemptId }) => attemptId)));
  expect(events).toHaveLength(3);
});

it("waits two days for a provider that has left the configuration, and then gives its batches up", async () => {
  const settlement = start();
  await settlement.expect(intentOf(), "");
  await providers.apply({ ...configOf({ baseUrl: vendor.baseUrl, adapter: openaiVendorWithResponses }), providers: new Map() });
  nowMs += 47 * hourMs;
  await settlement.look();
  expect(await left()).toBe(1);
  nowMs += 2 * hourMs;
  await settlement.look();
  expect(await left()).toBe(0);
  expect([vendor.requests, events]).toEqual([[], []]);
});

it.each([
  { case: "failed", members: { status: "failed", failed_at: 2_000_000_000, request_counts: { completed: 0 } }, result: AttemptResult.FAILED },
  { case: "was cancelled at once", members: { status: "cancelled", cancelled_at: 2_000_000_000, request_counts: { completed: 0 } }, result: AttemptResult.CANCELLED },
  { case: "ran out of time", members: { ...completed, status: "expired", expired_at: 2_000_000_000 }, result: AttemptResult.INTERRUPTED },
])("hears at once of a batch that $case, when its owner looks it up", async ({ members, result }) => {
  const intent = intentOf();
  const settlement = start();
  await settlement.expect(intent, "");
  const { readBatch } = openaiVendorWithResponses.batches!;
  settlement.seen(readBatch(Buffer.from(JSON.stringify(batchOf("att_unknown", members)))), { provider: "main", credentialOrganizationId: "" });
  settlement.seen(readBatch(Buffer.from(JSON.stringify(batchOf(intent.attemptId, members)))), { provider: "main", credentialOrganizationId: "" });
  await expect.poll(left).toBe(0);
  expect(events).toMatchObject([{ intent: { attemptId: intent.attemptId }, rank: UsageSource.PROVIDER, outcome: { result } }]);
});

it("hears nothing of a batch about which nothing can be learned: it stands at its bound", async () => {
  const [vanished, silent, uncounted] = [intentOf(), intentOf(), intentOf()];
  const settlement = start();
  await settlement.expect(vanished, "");
  await settlement.expect(silent, "");
  await settlement.expect(uncounted, "");
  list(batchOf(silent.attemptId, { ...completed, usage: null }), batchOf(uncounted.attemptId, { status: "cancelled", cancelled_at: 2_000_000_000 }));
  nowMs += 47 * hourMs;
  await settlement.look();
  expect(await left()).toBe(1);
  nowMs += 2 * hourMs;
  await settlement.look();
  expect(await left()).toBe(0);
  expect(events).toEqual([]);
});

it("asks for a batch under the credential that made it, and hears nothing of it from an account of another's", async () => {
  const [shared, own, orphan] = [intentOf(), intentOf(), intentOf()];
  const secretOf = (organizationId: string) => [{ credentialId: "cred_1", secret: new Secret(`sk-${organizationId || "installation"}`), weight: 1, formerUntilMs: undefined, refusedAtMs: undefined }];
  const lists = new Map(["", "org_1"].map((organizationId) => [organizationId, secretOf(organizationId)]));
  const stored = new LiveProviders({ clock, logger, stored: { of: (_, organizationId) => lists.get(organizationId), refused: () => undefined, accepted: () => undefined } });
  await stored.apply(configOf({ baseUrl: vendor.baseUrl, adapter: openaiVendorWithResponses, credential: undefined, hasStoredCredentials: true }));
  const settlement = start(stored);
  await settlement.expect(shared, "");
  await settlement.expect(own, "org_1");
  await settlement.expect(orphan, "org_2");
  const { readBatch } = openaiVendorWithResponses.batches!;
  const forged = readBatch(Buffer.from(JSON.stringify(batchOf(shared.attemptId, { ...completed, usage: { input_tokens: 0, output_tokens: 0 } }))));
  settlement.seen(forged, { provider: "main", credentialOrganizationId: "org_1" });
  const secrets: (string | undefined)[] = [];
  vendor.answer((response, request) => {
    secrets.push(request.headers.authorization);
    const data = request.headers.authorization === "Bearer sk-org_1" ? [batchOf(own.attemptId, completed), batchOf(shared.attemptId, { ...completed, usage: null })] : [batchOf(shared.attemptId, completed)];
    return answerJson(200, { object: "list", data, has_more: false })(response, request);
  });
  nowMs += 49 * hourMs;
  await settlement.look();
  expect(new Set(secrets)).toEqual(new Set(["Bearer sk-installation", "Bearer sk-org_1"]));
  expect(events.map(({ intent }) => intent!.attemptId).toSorted()).toEqual([shared.attemptId, own.attemptId].toSorted());
  for (const { outcome } of events) expect(outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([3n, 2n, 3n]);
  expect(await left(), "nobody can ask for that of org_2 any more").toBe(0);
  await stored.stop();
});

it("is not waited for when the process stops while a vendor is silent, and the next one is told", async () => {
  const intent = intentOf();
  const settlement = start();
  await settlement.expect(intent, "");
  nowMs += hourMs;
  const asked = Promise.withResolvers<void>();
  vendor.answer(() => asked.resolve());
  const looking = settlement.look();
  await asked.promise;
  await settlement.stop();
  await looking;
  expect(events).toEqual([]);
  list(batchOf(intent.attemptId, completed));
  nowMs += hourMs;
  await start().look();
  expect(events).toHaveLength(1);
});

it("keeps no batch that was not made", async () => {
  const intent = intentOf();
  const settlement = start();
  await settlement.expect(intent, "");
  settlement.forget(intent.attemptId);
  await settlement.stop();
  expect(await left()).toBe(0);
});

it.each([
  { of: "chat completions", usage: { prompt_tokens: 5, prompt_tokens_details: { cached_tokens: 2 }, completion_tokens: 3, total_tokens: 8 }, sum: [6n, 4n, 6n] },
  { of: "Responses", usage: { input_tokens: 5, input_tokens_details: { cached_tokens: 2 }, output_tokens: 3, total_tokens: 8 }, sum: [6n, 4n, 6n] },
  { of: "embeddings", usage: { prompt_tokens: 5, total_tokens: 5 }, sum: [10n] },
])("adds up the results where the vendor says no sum: $of", async ({ usage, sum }) => {
  const [intent, without] = [intentOf(), intentOf()];
  const settlement = start();
  for (const one of [intent, without]) await settlement.expect(one, "");
  const answered = { custom_id: "a", response: { status_code: 200, body: { model: "gpt-m", usage } }, error: null };
  const refused = { custom_id: "b", response: { status_code: 400, body: { error: { message: "no" } } }, error: null };
  const files: Record<string, readonly object[]> = { file_1: [answered, refused, answered], file_2: [answered, { ...answered, response: { status_code: 200, body: {} } }] };
  const data = [intent, without].map(({ attemptId }, index) => batchOf(attemptId, { ...completed, usage: null, output_file_id: `file_${index + 1}` }));
  vendor.answer((response, request) => {
    const file = /\/files\/(\w+)\/content$/.exec(request.path)?.[1];
    if (file === undefined) return answerJson(200, { object: "list", data, has_more: false })(response, request);
    response.writeHead(200, { "content-type": "application/octet-stream" });
    response.end(files[file]!.map((line) => JSON.stringify(line)).join("\n"));
  });
  nowMs += hourMs;
  await settlement.look();
  expect(events).toMatchObject([{ intent: { attemptId: intent.attemptId }, rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.SUCCEEDED, finishReason: "completed", serviceTier: "batch", servedModel: "gpt-m" } }]);
  expect(events[0]!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual(sum);
  expect(await left(), "a sum without one of them would be too little: it stands at its bound").toBe(0);
});

describe("of a vendor that keeps no mark, and sums nothing up", () => {
  const account = { provider: "main", credentialOrganizationId: "" };
  const answered = (input: number, output: number): object => ({ custom_id: "a", result: { type: "succeeded", message: { model: "claude-m", usage: { input_tokens: input, output_tokens: output } } } });
  /** By the vendor's id, the lines of its results. */
  let results: Map<string, readonly object[]>;
  /** Of the batch with this id no end of them comes. */
  let endless: string;

  beforeEach(async () => {
    endless = "";
    await providers.apply(configOf({ baseUrl: vendor.baseUrl, adapter: anthropicVendor }));
    results = new Map();
  });

  const messageBatch = (id: string, members: object = {}): object => ({ id, type: "message_batch", processing_status: "in_progress", created_at: new Date(nowMs).toISOString(), ...members });
  const ended = (succeeded: number): object => ({ processing_status: "ended", ended_at: "2033-05-18T03:33:20Z", request_counts: { succeeded, errored: 1 } });

  function keep(...batches: object[]): void {
    vendor.answer((response, request) => {
      const [, id, action] = request.path.split("?")[0]!.split("/batches")[1]!.split("/");
      if (id === undefined) return answerJson(200, { data: batches, has_more: false, last_id: "none" })(response, request);
      if (action === undefined) return answerJson(200, batches.find((batch) => (batch as { id: string }).id === id)!)(response, request);
      if (id === endless) return sendForEver(response);
      if (id === "b_broken") return answerJson(500, { type: "error", error: { type: "api_error", message: "broken" } })(response, request);
      const lines = results.get(id);
      if (lines === undefined) return answerJson(404, { type: "error", error: { type: "not_found_error", message: "gone" } })(response, request);
      response.writeHead(200, { "content-type": "application/x-jsonl" });
      response.end(lines.map((line) => JSON.stringify(line)).join("\n"));
    });
  }

  function sendForEver(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/x-jsonl" });
    const sending = setInterval(() => response.write("\n"), 20);
    response.once("close", () => clearInterval(sending));
  }

  async function make(settlement: BatchSettlement, vendorId: string): Promise<AttemptIntent> {
    const intent = intentOf();
    await settlement.expect(intent, "");
    await settlement.made(intent, vendorId);
    return intent;
  }

  it("adds up the results of each that is over; one whose results are lost or cut keeps no other from being heard of", async () => {
    const settlement = start();
    const [lost, cut, whole] = [await make(settlement, "b_lost"), await make(settlement, "b_cut"), await make(settlement, "b_whole")];
    keep(messageBatch("b_lost", ended(1)), messageBatch("b_cut", ended(2)), messageBatch("b_whole", ended(2)), messageBatch("b_of_another", ended(1)));
    results.set("b_cut", [answered(1, 1)]).set("b_whole", [answered(5, 3), { custom_id: "b", result: { type: "errored", error: {} } }, answered(7, 4)]);
    nowMs += hourMs;
    await settlement.look();
    expect(events).toMatchObject([{ intent: { attemptId: whole.attemptId }, rank: UsageSource.PROVIDER, outcome: { result: AttemptResult.SUCCEEDED, serviceTier: "batch", servedModel: "claude-m" } }]);
    expect(events[0]!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([12n, 7n]);
    expect(await left()).toBe(2);
    results.set("b_cut", [answered(1, 1), answered(2, 2)]);
    nowMs += 48 * hourMs;
    await start().look();
    expect(events.slice(1)).toMatchObject([{ intent: { attemptId: cut.attemptId } }]);
    expect(await left(), "the lost one is given up").toBe(0);
    expect(events.map(({ intent }) => intent!.attemptId)).not.toContain(lost.attemptId);
  });

  it("gives up, when the vendor keeps no results any more, what never ended and what could never be read", async () => {
    const settlement = start();
    for (const id of ["b_broken", "b_running"]) await make(settlement, id);
    keep(messageBatch("b_broken", ended(1)), messageBatch("b_running", {}));
    nowMs += 29 * 24 * hourMs;
    await settlement.look();
    expect(await left()).toBe(2);
    nowMs += 2 * 24 * hourMs;
    await settlement.look();
    expect(await left()).toBe(0);
    expect(events).toEqual([]);
  });

  it("breaks off results that never end, so that they hold up no other batch", async () => {
    const settlement = start(providers, database, { replyTimeoutMs: 1_000 });
    await make(settlement, "b_endless");
    const whole = await make(settlement, "b_whole");
    keep(messageBatch("b_endless", ended(1)), messageBatch("b_whole", ended(1)));
    results.set("b_whole", [answered(5, 3)]);
    endless = "b_endless";
    nowMs += hourMs;
    await settlement.look();
    expect(events).toMatchObject([{ intent: { attemptId: whole.attemptId } }]);
  });

  it("hears nothing of a batch whose maker was killed before the vendor's reply was noted: it stands at its bound", async () => {
    await start().expect(intentOf(), "");
    keep(messageBatch("b_1", ended(1)));
    results.set("b_1", [answered(5, 3)]);
    nowMs += 47 * hourMs;
    await start().look();
    expect(await left()).toBe(1);
    nowMs += 2 * hourMs;
    await start().look();
    expect([events, await left()]).toEqual([[], 0]);
  });

  it("keeps nothing of an answered call without usage: what is summed up without it would be too little", async () => {
    const settlement = start();
    await make(settlement, "b_1");
    keep(messageBatch("b_1", ended(2)));
    results.set("b_1", [answered(5, 3), { custom_id: "b", result: { type: "succeeded", message: { model: "claude-m" } } }]);
    nowMs += hourMs;
    await settlement.look();
    expect([events, await left()]).toEqual([[], 0]);
  });

  it("notes what a batch is called as soon as the database takes it, and knows for a month whose it is", async () => {
    let isDown = true;
    const failing: Database = new Proxy(database, { get: (target, name, receiver) => (name === "query" && isDown ? () => Promise.reject(new Error("away")) : (Reflect.get(target, name, receiver) as unknown)) });
    const settlement = start();
    const intent = intentOf();
    await settlement.expect(intent, "");
    const noted = start(providers, failing).made(intent, "b_1");
    expect(await settlement.madeBy("org_1", account)).toEqual(new Set());
    isDown = false;
    await noted;
    expect(await settlement.madeBy("org_1", account)).toEqual(new Set(["b_1"]));
    expect(await settlement.madeBy("org_2", account)).toEqual(new Set());
    expect(await settlement.madeBy("org_1", { ...account, credentialOrganizationId: "org_1" })).toEqual(new Set());
    keep();
    nowMs += 31 * 24 * hourMs;
    await settlement.look();
    expect(await settlement.madeBy("org_1", account)).toEqual(new Set());
  });

  it("lets none be deleted before the ledger has what it consumed", async () => {
    const settlement = start();
    const intent = await make(settlement, "b_1");
    keep(messageBatch("b_1"));
    await expect(settlement.settleBeforeDeletion("b_1", account)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
    keep(messageBatch("b_1", ended(1)));
    await expect(settlement.settleBeforeDeletion("b_1", account), "no results").rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    results.set("b_1", [answered(5, 3)]);
    ledgerIsDown = true;
    await expect(settlement.settleBeforeDeletion("b_1", account)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    ledgerIsDown = false;
    await settlement.settleBeforeDeletion("b_1", account);
    expect(events.map(({ intent: of }) => of!.attemptId)).toEqual([intent.attemptId]);
    const asked = vendor.requests.length;
    await settlement.settleBeforeDeletion("b_1", account);
    expect(vendor.requests, "nobody has to be asked any more").toHaveLength(asked);
  });
});
