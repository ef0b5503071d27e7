/** Owns the bench's arithmetic on samples. */
import type { Quantiles } from "./loads.ts";

/** By nearest rank; NaN without samples. */
export function quantilesOf(samples: readonly number[]): Quantiles {
  const sorted = samples.toSorted((one, other) => one - other);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

export function median(samples: readonly number[]): number {
  return quantilesOf(samples).p50;
}
