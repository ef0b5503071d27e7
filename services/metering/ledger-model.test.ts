/** Proves by random events that postings, sums and lines agree with each other and with a model of the rules. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { reconcile, startTestMetering, testNowMs, usageEvent } from "./usage-events.fixture.ts";

const hourMs = 3_600_000;

const sketch = fc.record({
  attempt: fc.integer({ min: 1, max: 12 }),
  rank: fc.constantFrom(UsageSource.UNSPECIFIED, UsageSource.ORPHANED, UsageSource.ESTIMATED, UsageSource.PROVIDER, UsageSource.IMPORTED),
  model: fc.constantFrom("demo-chat", "demo-chat", "nobody-knows"),
  result: fc.constantFrom(AttemptResult.SUCCEEDED, AttemptResult.FAILED, AttemptResult.ORPHANED),
  usage: fc.option(fc.record({ [Meter.INPUT_TOKENS]: fc.bigInt(0n, 10n ** 9n), [Meter.REASONING_OUTPUT_TOKENS]: fc.bigInt(0n, 10n ** 9n) })),
});
type Sketch = typeof sketch extends fc.Arbitrary<infer Value> ? Value : never;

// Written again, as plainly as the rules are said, and not shared with the code under test.
const order = [UsageSource.ORPHANED, UsageSource.UNSPECIFIED, UsageSource.ESTIMATED, UsageSource.PROVIDER, UsageSource.IMPORTED];

function costOf(sketch: Sketch, model: string): bigint {
  if (sketch.usage === null || model === "nobody-knows") return 0n;
  return sketch.usage[Meter.INPUT_TOKENS] * 1000n + sketch.usage[Meter.REASONING_OUTPUT_TOKENS] * 4000n;
}

test("Σ postings = Σ rollups = Σ attempts = the model, after every batch", async () => {
  const metering = await startTestMetering();
  const { priceVersion, database } = metering;
  await fc.assert(
    fc
      .asyncProperty(fc.array(fc.array(sketch, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }), async (batches) => {
        const standing = new Map<number, { readonly sketch: Sketch; readonly model: string }>();
        for (const batch of batches) {
          // The intent is said once: of an attempt that stands, only the outcome can change.
          const strongest = new Map<number, Sketch>();
          for (const next of batch) {
            const other = strongest.get(next.attempt);
            if (other === undefined || order.indexOf(next.rank) > order.indexOf(other.rank)) strongest.set(next.attempt, next);
          }
          for (const [attempt, next] of strongest) {
            const other = standing.get(attempt);
            if (other === undefined) standing.set(attempt, { sketch: next, model: next.model });
            else if (order.indexOf(next.rank) > order.indexOf(other.sketch.rank)) standing.set(attempt, { sketch: next, model: other.model });
          }
          const { rejected } = await metering.record(
            ...batch.map((event) => usageEvent({ ...event, priceVersion, timeMs: testNowMs - (event.attempt % 3) * hourMs, key: `key_${event.attempt % 2}` })),
          );
          expect(rejected).toEqual([]);

          const attempts = BigInt(standing.size);
          const cost = [...standing.values()].reduce((sum, { sketch, model }) => sum + costOf(sketch, model), 0n);
          const sums = await reconcile(database);
          expect(sums).toMatchObject({ attempts, rollup_attempts: attempts, cost, rollup_cost: cost, debits: cost, credits: cost, unbalanced: 0n });
          expect(sums["rollup_quantity"]).toBe(sums["quantity"]);
        }
      })
      .afterEach(async () => {
        await database.query("truncate attempts, superseded_attempts, postings, usage_deltas, usage_rollups, balances");
      }),
    { numRuns: 100, seed: 20261120 },
  );
});
