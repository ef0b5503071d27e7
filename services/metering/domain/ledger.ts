/** Owns what an event changes in the ledger: the line that stands, the postings that move money, and the sums of its hour. */
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { bucketOf } from "./latency-histogram.ts";
import type { PriceBook } from "./price-book.ts";
import { rateCall } from "./rate-call.ts";
import { storableText } from "./storable-text.ts";
import { outranks, type PostableEvent, type Rejection } from "./usage-event.ts";

/** Who pays whom for an attempt, and by which prices; said by its first event and never changed by a later one. */
export interface LineIdentity {
  readonly attemptId: string;
  readonly startTimeMs: number;
  readonly organizationId: string;
  readonly teamId: string;
  readonly keyId: string;
  readonly route: string;
  /** The declared labels among its own, as JSON with its names in order. */
  readonly reportLabels: string;
  readonly provider: string;
  readonly vendor: string;
  readonly model: string;
  /** The version by which it is rated: its intent's, or that of the newest re-rating. */
  readonly priceVersion: string;
  /** The lease that its bound was drawn from; empty when no budget applied. */
  readonly leaseId: string;
  readonly boundNanos: bigint;
}

/** What an attempt came to; a higher rank replaces it. */
export interface LineFigures {
  readonly rank: UsageSource;
  /** How often it was rated again. */
  readonly generation: number;
  readonly result: AttemptResult;
  /** The quantity of meter n stands at n - 1; undefined when usage is unreported. */
  readonly quantities: readonly bigint[] | undefined;
  readonly durationMs: bigint;
  /** Absent when no byte came. */
  readonly firstByteMs: bigint | undefined;
  /** What the vendor bills; absent when usage is unreported or unpriced. */
  readonly costNanos: bigint | undefined;
  /** What the key is charged; absent when the cost is. */
  readonly chargeNanos: bigint | undefined;
  readonly isUnpriced: boolean;
}

export interface StandingLine {
  readonly identity: LineIdentity;
  readonly figures: LineFigures;
}

/** What changes for an attempt; `previous` is what stood before, if anything did. */
export interface LineChange extends StandingLine {
  readonly previous: LineFigures | undefined;
}

/** A line to write because of an event. */
export interface LedgerChange extends LineChange {
  readonly source: PostableEvent;
}

/** One side of a double entry. Positive amounts are debits. */
export interface Posting {
  readonly attemptId: string;
  readonly startTimeMs: number;
  readonly rank: UsageSource;
  readonly generation: number;
  readonly account: string;
  readonly organizationId: string;
  readonly amountNanos: bigint;
  readonly priceVersion: string;
}

/** What is added to the sums of one hour. */
export interface RollupDelta {
  readonly hourMs: number;
  readonly identity: LineIdentity;
  attempts: bigint;
  failed: bigint;
  orphaned: bigint;
  unpriced: bigint;
  costNanos: bigint;
  chargeNanos: bigint;
  readonly quantities: bigint[];
  /** The buckets of the latencies, from 1; negative for one that is taken away. */
  readonly durations: number[];
  readonly firstBytes: number[];
}

/** Prices by version; a version that is not in it is unknown, and what names it is unpriced. */
export type PriceBooks = ReadonlyMap<string, PriceBook>;

const hourMs = 3_600_000;
const maximumReportLabelLength = 100;

/**
 * One event per attempt, in the order of the ids so that concurrent batches lock alike: the highest rank, and of equal ranks the
 * first. An event that names another organization than the first of its attempt is rejected.
 */
export function strongestPerAttempt(events: readonly PostableEvent[]): { strongest: PostableEvent[]; rejected: Rejection[] } {
  const byAttempt = new Map<string, PostableEvent>();
  const rejected: Rejection[] = [];
  for (const event of events) {
    const other = byAttempt.get(event.attemptId);
    if (other !== undefined && other.attribution.organizationId !== event.attribution.organizationId) {
      rejected.push(rejectForeign(event));
    } else if (other === undefined || outranks(event.rank, other.rank)) {
      byAttempt.set(event.attemptId, event);
    }
  }
  const strongest = [...byAttempt.values()].sort((left, right) => (left.attemptId < right.attemptId ? -1 : 1));
  return { strongest, rejected };
}

/** The rejection of an event that claims another organization's attempt. */
export function rejectForeign({ attemptId, event }: PostableEvent): Rejection {
  return { attemptId, event, reason: "it names another organization than the attempt's first event" };
}

/** The line of an attempt that is not in the ledger yet. `labels` are the declared ones, in order. */
export function openLine(source: PostableEvent, books: PriceBooks, labels: readonly string[]): LedgerChange {
  const { attemptId, startTimeMs, attribution, intent } = source;
  const identity: LineIdentity = {
    attemptId,
    startTimeMs,
    organizationId: attribution.organizationId,
    teamId: attribution.teamId,
    keyId: attribution.keyId,
    route: intent.route,
    reportLabels: reportLabelsOf(attribution.labels, labels),
    provider: intent.provider,
    vendor: intent.vendor,
    model: intent.model,
    priceVersion: intent.priceVersion,
    leaseId: intent.leaseId,
    boundNanos: intent.boundNanos,
  };
  return { source, identity, figures: figuresOf(source, identity, 0, books), previous: undefined };
}

/** The declared ones among the labels; cut, because they are part of the key of the sums, also where that is within a character. */
export function reportLabelsOf(labels: Readonly<Record<string, string>>, declared: readonly string[]): string {
  const kept = Object.create(null) as Record<string, string>;
  for (const name of declared) if (Object.hasOwn(labels, name)) kept[name] = storableText(labels[name]!.slice(0, maximumReportLabelLength));
  return JSON.stringify(kept);
}

/** What an event means for an attempt that stands already: a correction, a duplicate (undefined), or another tenant's claim. */
export function correctLine(source: PostableEvent, standing: StandingLine, books: PriceBooks): LedgerChange | Rejection | undefined {
  const { identity, figures } = standing;
  if (source.attribution.organizationId !== identity.organizationId) return rejectForeign(source);
  if (!outranks(source.rank, figures.rank)) return undefined;
  return { source, identity, figures: figuresOf(source, identity, figures.generation, books), previous: figures };
}

/**
 * The entries that take the books from what stood to what stands: the key is debited what it is charged, the vendor credited what it
 * bills, and what lies between them, a mark-up or discount, is the organization's margin.
 */
export function postingsOf({ identity, figures, previous }: LineChange): Posting[] {
  const costNanos = (figures.costNanos ?? 0n) - (previous?.costNanos ?? 0n);
  const chargeNanos = (figures.chargeNanos ?? 0n) - (previous?.chargeNanos ?? 0n);
  const { attemptId, startTimeMs, organizationId, keyId, vendor, priceVersion } = identity;
  const common = { attemptId, startTimeMs, rank: figures.rank, generation: figures.generation, organizationId, priceVersion };
  const entries = [
    { ...common, account: `key:${keyId}`, amountNanos: chargeNanos },
    { ...common, account: `vendor:${vendor}`, amountNanos: -costNanos },
    { ...common, account: `margin:${organizationId}`, amountNanos: costNanos - chargeNanos },
  ];
  return entries.filter(({ amountNanos }) => amountNanos !== 0n);
}

/** What is added to the sums, one delta per hour and identity. */
export function rollupDeltasOf(changes: readonly LineChange[]): RollupDelta[] {
  const deltas = new Map<string, RollupDelta>();
  for (const { identity, figures, previous } of changes) {
    const delta = deltaFor(deltas, identity);
    if (previous !== undefined) addFigures(delta, previous, -1n);
    addFigures(delta, figures, 1n);
  }
  return [...deltas.values()];
}

function figuresOf({ outcome, rank }: PostableEvent, identity: LineIdentity, generation: number, books: PriceBooks): LineFigures {
  const rating = rateCall({ ...identity, servedModel: outcome.servedModel, serviceTier: outcome.serviceTier }, outcome.usage, books.get(identity.priceVersion));
  const quantities = outcome.usage === undefined ? undefined : new Array<bigint>();
  for (const { meter, quantity } of outcome.usage?.quantities ?? []) addTo(quantities!, meter - 1, quantity);
  return { rank, generation, result: outcome.result, quantities, durationMs: outcome.durationMs, firstByteMs: outcome.firstByteMs, ...rating };
}

function deltaFor(deltas: Map<string, RollupDelta>, identity: LineIdentity): RollupDelta {
  const hour = identity.startTimeMs - (identity.startTimeMs % hourMs);
  const { organizationId, teamId, keyId, route, provider, vendor, model, reportLabels } = identity;
  const name = `${hour}\0${organizationId}\0${teamId}\0${keyId}\0${route}\0${provider}\0${vendor}\0${model}\0${reportLabels}`;
  let delta = deltas.get(name);
  if (delta === undefined) {
    delta = { hourMs: hour, identity, attempts: 0n, failed: 0n, orphaned: 0n, unpriced: 0n, costNanos: 0n, chargeNanos: 0n, quantities: [], durations: [], firstBytes: [] };
    deltas.set(name, delta);
  }
  return delta;
}

function addFigures(delta: RollupDelta, { rank, result, isUnpriced, costNanos, chargeNanos, quantities, durationMs, firstByteMs }: LineFigures, sign: 1n | -1n): void {
  const isOrphaned = rank === UsageSource.ORPHANED || result === AttemptResult.ORPHANED;
  delta.attempts += sign;
  if (isOrphaned) delta.orphaned += sign;
  else if (result !== AttemptResult.SUCCEEDED) delta.failed += sign;
  if (isUnpriced) delta.unpriced += sign;
  delta.costNanos += sign * (costNanos ?? 0n);
  delta.chargeNanos += sign * (chargeNanos ?? 0n);
  // An orphan's end was never seen, so that its duration is none.
  if (!isOrphaned) delta.durations.push(Number(sign) * (bucketOf(durationMs) + 1));
  if (firstByteMs !== undefined) delta.firstBytes.push(Number(sign) * (bucketOf(firstByteMs) + 1));
  quantities?.forEach((quantity, index) => addTo(delta.quantities, index, sign * quantity));
}

function addTo(sums: bigint[], index: number, amount: bigint): void {
  while (sums.length <= index) sums.push(0n);
  sums[index]! += amount;
}
