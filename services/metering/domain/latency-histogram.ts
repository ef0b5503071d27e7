/** Owns how latencies are counted: in buckets of which each ends a fifth above the one before, so that its middle is within 10 %; finer ones would slow the ledger's ingest. */

const longestMs = 86_400_000n;
const placesPerCount = 12;

/** The first millisecond that is beyond bucket n stands at n; the first bucket is that of zero. */
export const latencyBounds: readonly bigint[] = boundsUpTo(longestMs);

/** In which bucket a latency is counted, from 0. */
export function bucketOf(latencyMs: bigint): number {
  let low = 0;
  let high = latencyBounds.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (latencyBounds[middle]! <= latencyMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many are in each bucket of a histogram: the number in which count n stands at the decimal places from 12 n on, so that numbers add as histograms do. */
export function countsOf(histogram: string): bigint[] {
  const counts: bigint[] = [];
  for (let end = histogram.length; end > 0; end -= placesPerCount) counts.push(BigInt(histogram.slice(Math.max(0, end - placesPerCount), end)));
  return counts;
}

/** The latency that so many percent do not exceed, as the middle of its bucket; 0 for an empty histogram. */
export function percentileOf(counts: readonly bigint[], percent: bigint): bigint {
  const total = counts.reduce((sum, count) => sum + count, 0n);
  if (total === 0n) return 0n;
  let below = 0n;
  const bucket = counts.findIndex((count) => {
    below += count;
    return below * 100n >= total * percent;
  });
  const first = bucket === 0 ? 0n : latencyBounds[bucket - 1]!;
  const beyond = latencyBounds[bucket] ?? first + 1n;
  return (first + beyond - 1n) / 2n;
}

function boundsUpTo(end: bigint): bigint[] {
  const bounds = [1n];
  for (let bound = 1n; bound < end; ) {
    const fifthAbove = (bound * 6n) / 5n;
    bound = fifthAbove > bound ? fifthAbove : bound + 1n;
    bounds.push(bound);
  }
  return bounds;
}
