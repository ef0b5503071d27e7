/** Owns the metrics of what the ledger takes: attempts, what they consumed and cost, and how soon their replies began. */
import type { DescEnum } from "@bufbuild/protobuf";
import { AttemptResultSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { MeterSchema } from "#gen/weir/types/v1/usage_pb.ts";
import { Counter, Histogram, type Registry } from "#platform/metrics.ts";
import type { LedgerChange } from "./domain/ledger.ts";

/** Callers can make up models where a provider is not held to a list; what comes beyond so many is counted as one. */
const mostModels = 1_000;
const otherModels = "other";

const nanosPerDollar = 1e9;

/** As they are first posted; corrections change the ledger, and no counter. */
export function countUsage(metrics: Registry): (posted: readonly LedgerChange[]) => void {
  const registers = [metrics];
  const attempts = new Counter({ name: "weir_ledger_attempts_total", help: "Attempts that the ledger took, by provider, model and result.", labelNames: ["provider", "model", "result"], registers });
  const usage = new Counter({ name: "weir_ledger_usage_total", help: "What attempts consumed when they were first posted, by provider, model and meter (`input_tokens`, `output_tokens`, …).", labelNames: ["provider", "model", "meter"], registers });
  const charge = new Counter({ name: "weir_ledger_charge_dollars_total", help: "What keys were charged for attempts when they were first posted, in US dollars, by provider and model. The ledger has it to the billionth.", labelNames: ["provider", "model"], registers });
  const firstByte = new Histogram({
    name: "weir_attempt_first_byte_seconds",
    help: "From an attempt's beginning to the first byte of the vendor's reply, by provider and model.",
    labelNames: ["provider", "model"],
    buckets: [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60],
    registers,
  });
  const models = new Set<string>();
  const modelOf = (model: string): string => {
    if (models.has(model)) return model;
    if (models.size >= mostModels) return otherModels;
    models.add(model);
    return model;
  };
  return (posted) => {
    for (const { identity, figures, previous } of posted) {
      if (previous !== undefined) continue;
      const place = { provider: identity.provider, model: modelOf(identity.model) };
      attempts.inc({ ...place, result: wordOf(AttemptResultSchema, figures.result) });
      figures.quantities?.forEach((quantity, index) => quantity > 0n && usage.inc({ ...place, meter: wordOf(MeterSchema, index + 1) }, Number(quantity)));
      if (figures.chargeNanos !== undefined) charge.inc(place, Number(figures.chargeNanos) / nanosPerDollar);
      if (figures.firstByteMs !== undefined) firstByte.observe(place, Number(figures.firstByteMs) / 1_000);
    }
  };
}

/** What is posted is posted, also where a newer emitter has a result that this version has no word for. */
function wordOf({ value }: DescEnum, number: number): string {
  return value[number]?.localName.toLowerCase() ?? String(number);
}
