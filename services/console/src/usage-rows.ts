/** Owns what is read out of the rows of a usage report. */
import type { UsageRow } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { Meter, type MeterQuantity } from "#gen/weir/types/v1/usage_pb.ts";
import { permille } from "./format/money.ts";

const inputMeters: ReadonlySet<Meter> = new Set([Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS]);
const outputMeters: ReadonlySet<Meter> = new Set([Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS]);

export function inputTokens(quantities: readonly MeterQuantity[]): bigint {
  return sumOf(quantities, inputMeters);
}

export function outputTokens(quantities: readonly MeterQuantity[]): bigint {
  return sumOf(quantities, outputMeters);
}

/** Tenths of a percent of the attempts that failed. */
export function failureShare({ failedAttempts, attempts }: Pick<UsageRow, "failedAttempts" | "attempts">): number {
  return permille(failedAttempts, attempts);
}

/** Tenths of a percent of the calls looked up in the cache that it answered. */
export function cacheHitShare({ cacheHits, cacheMisses }: Pick<UsageRow, "cacheHits" | "cacheMisses">): number {
  return permille(cacheHits, cacheHits + cacheMisses);
}

function sumOf(quantities: readonly MeterQuantity[], meters: ReadonlySet<Meter>): bigint {
  return quantities.reduce((sum, { meter, quantity }) => (meters.has(meter as Meter) ? sum + quantity : sum), 0n);
}
