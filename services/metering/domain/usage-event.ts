/** Owns the judgement of a usage event by itself: whether it can be posted, and what its rank is worth. */
import type { AttemptIntent, AttemptOutcome, Attribution, UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { timeOfId } from "#platform/ids.ts";
import { storableText, withStorableTexts } from "./storable-text.ts";

/** An event with everything that a ledger line needs. */
export interface PostableEvent {
  readonly attemptId: string;
  /** From the id, which alone decides the partition. */
  readonly startTimeMs: number;
  readonly intent: AttemptIntent;
  readonly attribution: Attribution;
  /** Without the usage where that cannot be true. */
  readonly outcome: AttemptOutcome;
  /** Then what an attempt has whose usage is unreported. */
  readonly rank: UsageSource;
  /** Why its usage cannot be true. */
  readonly doubt: string | undefined;
  /** As it came. */
  readonly event: UsageEvent;
}

/** Why an event can never be posted. */
export interface Rejection {
  readonly attemptId: string;
  readonly reason: string;
  readonly event: UsageEvent;
}

const dayMs = 86_400_000;
/** Ids from before this age or after this lead are damaged; the bound keeps them from creating partitions without end. */
const maximumAgeMs = 5 * 365 * dayMs;
const maximumLeadMs = 31 * dayMs;
/** The highest number of a meter, of today's or a later version. */
const maximumMeter = 255;
/** A hundred thousand million of anything: more than the largest batch consumes, and the sums of many attempts stay within 64 bits. */
const maximumQuantity = 100_000_000_000n;

/** The parts of an event, or why it can never be posted: what a vendor or a caller wrote is no reason, as the vendor bills the attempt all the same. */
export function readEvent(event: UsageEvent, nowMs: number): PostableEvent | Rejection {
  const { intent, outcome, rank } = event;
  const attemptId = intent?.attemptId ?? "";
  const reject = (reason: string): Rejection => ({ attemptId, reason, event });
  if (intent === undefined) return reject("it has no intent");
  const startTimeMs = attemptId.startsWith("att_") ? timeOfId(attemptId) : undefined;
  if (startTimeMs === undefined) return reject("its attempt id is malformed");
  if (startTimeMs < nowMs - maximumAgeMs || startTimeMs > nowMs + maximumLeadMs) {
    return reject(`its attempt id carries the time ${new Date(startTimeMs).toISOString()}, which is out of bounds`);
  }
  if (outcome === undefined) return reject("it has no outcome");
  const { attribution } = intent;
  if (attribution === undefined || attribution.organizationId === "") return reject("it names no organization");
  if (attribution.keyId === "") return reject("it names no key");
  if (intent.vendor === "" || intent.model === "") return reject("it names no vendor or no model");
  if (rank < 0) return reject("its rank is negative");
  const doubt = outcome.usage === undefined ? undefined : faultOfUsage(outcome.usage);
  return {
    attemptId,
    startTimeMs,
    intent: withStorableTexts(intent),
    attribution: { ...withStorableTexts(attribution), labels: storableLabels(attribution.labels) },
    ...(doubt === undefined ? { outcome: withStorableTexts(outcome), rank } : { outcome: withStorableTexts({ ...outcome, usage: undefined }), rank: rank === UsageSource.ORPHANED ? rank : UsageSource.UNSPECIFIED }),
    doubt,
    event,
  };
}

export function isRejection(judged: object): judged is Rejection {
  return "reason" in judged;
}

/**
 * True when an event of rank `left` corrects one of rank `right`: orphaned < unspecified < estimated < provider < imported.
 * An unspecified rank means that the attempt's end was seen but its usage is unreported: more than an orphan knows, and less
 * than any figure.
 */
export function outranks(left: UsageSource, right: UsageSource): boolean {
  return precedence(left) > precedence(right);
}

function precedence(rank: UsageSource): number {
  if (rank === UsageSource.ORPHANED) return 0;
  return rank === UsageSource.UNSPECIFIED ? 1 : rank;
}

function storableLabels(labels: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [storableText(name), storableText(value)]));
}

function faultOfUsage({ quantities }: Usage): string | undefined {
  const seen = new Set<number>();
  for (const { meter, quantity } of quantities) {
    if (meter < 1 || meter > maximumMeter) return `its usage has the meter ${meter}, which no version knows`;
    if (seen.has(meter)) return `its usage has the meter ${meter} twice`;
    if (quantity < 0n) return `its usage has a negative quantity of the meter ${meter}`;
    if (quantity > maximumQuantity) return `its usage has ${quantity} of the meter ${meter}, which no attempt consumes`;
    seen.add(meter);
  }
  return undefined;
}
