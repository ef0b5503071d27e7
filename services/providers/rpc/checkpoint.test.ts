/** Proves what becomes of attempts whose process dies: of a long stream, and of one whose tokens are being counted. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { inspectJournal } from "#platform/journal/inspect.ts";
import { TokenCounter } from "../token-counter.ts";
import { beginStream, chunk, startScriptedVendor } from "../testing/scripted-vendor.ts";
import { attemptRequest, collect, contextOf, operations, startProviders } from "../testing/start-providers.ts";

test("a long stream whose process dies is orphaned with what it had generated", async () => {
  const directory = await mkdtemp(join(tmpdir(), "weir-checkpoint-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const vendor = await startScriptedVendor();
  onTestFinished(() => vendor.close());
  vendor.answer((response) => {
    beginStream(response);
    response.write(chunk("x".repeat(4_000)));
  });
  // On this clock a second takes ten.
  const clock = { now: () => Date.now(), monotonicMs: () => performance.now() * 10 };
  const [alive, dead] = [join(directory, "alive"), join(directory, "dead")];
  const { providers, stop } = await startProviders({ provider: { baseUrl: vendor.baseUrl }, journalDirectory: alive, clock });
  onTestFinished(stop);
  const stream = providers.attempt(attemptRequest({ operation: operations.stream }), contextOf())[Symbol.asyncIterator]();
  await stream.next();
  await expect.poll(async () => (await inspectJournal(alive)).segments.reduce((sum, { records }) => sum + records, 0), { timeout: 5_000 }).toBe(2);

  // What a process that is killed now leaves on its disk.
  await cp(alive, dead, { recursive: true });
  const next = await startProviders({ provider: { baseUrl: vendor.baseUrl }, journalDirectory: dead });
  onTestFinished(() => next.stop());
  const [orphan] = await next.nextEvents();
  expect(orphan).toMatchObject({ rank: UsageSource.ORPHANED, outcome: { result: AttemptResult.ORPHANED, usage: { source: UsageSource.ESTIMATED } } });
  expect(orphan!.outcome!.usage!.quantities.find(({ meter }) => meter === Meter.OUTPUT_TOKENS)).toMatchObject({ quantity: 1_000n });
  await stream.return!();
});

test("one whose tokens are being counted has the estimate by bytes, whether its process dies or stops", async () => {
  const directory = await mkdtemp(join(tmpdir(), "weir-checkpoint-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const vendor = await startScriptedVendor();
  onTestFinished(() => vendor.close());
  vendor.answer((response) => {
    beginStream(response);
    response.write(chunk("x".repeat(4_000)), () => response.destroy());
  });
  const [alive, dead] = [join(directory, "alive"), join(directory, "dead")];
  const silent = new URL('data:text/javascript,import { parentPort } from "node:worker_threads"; parentPort.on("message", () => undefined); parentPort.postMessage("listening");');
  const { providers, events, stop } = await startProviders({ provider: { baseUrl: vendor.baseUrl }, journalDirectory: alive, tokens: new TokenCounter(silent, 60_000) });
  const { error } = await collect(providers.attempt(attemptRequest({ operation: operations.stream }), contextOf()));
  expect(error).toMatchObject({ reason: "UPSTREAM_INTERRUPTED" });
  await expect.poll(async () => (await inspectJournal(alive)).segments.reduce((sum, { records }) => sum + records, 0), { timeout: 5_000 }).toBe(2);
  expect(events).toEqual([]);
  await cp(alive, dead, { recursive: true });
  await stop();
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({ rank: UsageSource.ESTIMATED, outcome: { result: AttemptResult.INTERRUPTED } });

  const next = await startProviders({ provider: { baseUrl: vendor.baseUrl }, journalDirectory: dead });
  onTestFinished(() => next.stop());
  expect(await next.nextEvents()).toEqual([{ ...events[0], journalId: expect.any(String) as string }]);
  expect(events[0]!.outcome!.usage!.quantities.find(({ meter }) => meter === Meter.OUTPUT_TOKENS)).toMatchObject({ quantity: 1_000n });
});
