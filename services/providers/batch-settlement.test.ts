/** Owns the proof that the ledger hears once what each batch consumed, whoever dies or is away meanwhile. */
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AttemptIntentSchema, AttemptResult, type AttemptIntent, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import { newId } from "#platform/ids.ts";
import { createLogger } from "#platform/logger.ts";
import { Secret } from "#platform/secret.ts";
import { createTestDatabase } from "../../test/harness/database.ts";
import { BatchSettlement } from "./batch-settlement.ts";
import { LiveProviders } from "./edge/live-providers.ts";
import { openaiVendorWithResponses } from "./edge/openai/adapter.ts";
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
function start(from = providers): BatchSettlement {
  const transport = {
    deliver: (delivered: readonly { readonly id: string; readonly event: UsageEvent }[]) => {
      if (ledgerIsDown) return Promise.reject(new Error("away"));
      events.push(...delivered.map(({ event }) => event));
      return Promise.resolve({ confirmedIds: delivered.map(({ id }) => id), rejectedIds: [] });
    },
  };
  const settlement = new BatchSettlement({ database: () => Promise.resolve(database), isNeeded: () => true, providers: from, transport, clock, logger, lookIntervalMs: hourMs });
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
  settlement.seen(readBatch(Buffer.from(JSON.stringify(batchOf("att_unknown", members)))), "");
  settlement.seen(readBatch(Buffer.from(JSON.stringify(batchOf(intent.attemptId, members)))), "");
  await vi.waitFor(async () => expect(await left()).toBe(0));
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
  settlement.seen(forged, "org_1");
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
