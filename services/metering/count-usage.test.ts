import { expect, test } from "vitest";
import type { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { countUsage } from "./count-usage.ts";
import type { LedgerChange } from "./domain/ledger.ts";

test("what has no word yet, or no known charge, is counted as far as it is known", async () => {
  const metrics = createMetricsRegistry();
  const posted = { identity: { provider: "up", model: "m" }, figures: { result: 99 as AttemptResult, quantities: undefined, chargeNanos: undefined, firstByteMs: undefined }, previous: undefined } as unknown as LedgerChange;
  countUsage(metrics)([posted]);
  const text = await metrics.metrics();
  expect(text).toContain('weir_ledger_attempts_total{provider="up",model="m",result="99"} 1\n');
  expect(text).not.toMatch(/^weir_(?:ledger_charge|ledger_usage|attempt_first)\w*\{/m);
});

test("models that callers make up are counted one by one to a bound, and then together", async () => {
  const metrics = createMetricsRegistry();
  const postedTo = (model: string): LedgerChange => ({ identity: { provider: "up", model }, figures: { result: 1, quantities: [5n], chargeNanos: 1n, firstByteMs: undefined }, previous: undefined }) as unknown as LedgerChange;
  countUsage(metrics)(Array.from({ length: 1_010 }, (_, place) => postedTo(`made-up-${place}`)));
  expect(await metrics.metrics()).toContain('weir_ledger_usage_total{provider="up",model="other",meter="input_tokens"} 50\n');
});
