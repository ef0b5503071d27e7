/** Owns how the end of an attempt is put for the ledger. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AttemptOutcomeSchema, AttemptResult, type AttemptOutcome } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { Reason } from "#platform/errors.ts";
import type { ReplySummary } from "./adapter.ts";
import { noUsage, type Traffic } from "./usage/estimate-usage.ts";

const maximumWordLength = 512;

/** All that is known when an attempt ends. */
export interface AttemptEnding {
  readonly result: AttemptResult;
  readonly errorReason: Reason | undefined;
  /** 0 when no reply came. */
  readonly httpStatus: number;
  readonly upstreamRequestId: string;
  /** What the reply's headers say of it; the reply's own word counts more. */
  readonly serviceTier: string;
  readonly summary: ReplySummary | undefined;
  /** True once the vendor has said all. */
  readonly complete: boolean;
  readonly traffic: Traffic;
  readonly estimateUsage: (traffic: Traffic) => Usage | undefined;
  readonly firstByteMs: number | undefined;
  readonly durationMs: number;
  readonly endTimeMs: number;
}

// Copied for every attempt: protobuf-es takes several times as long to make one.
const emptyOutcome = create(AttemptOutcomeSchema);

export function attemptOutcome(ending: AttemptEnding): AttemptOutcome {
  const { summary } = ending;
  const outcome = { ...emptyOutcome };
  outcome.result = ending.result;
  const usage = usageOf(ending);
  if (usage !== undefined) outcome.usage = usage;
  outcome.finishReason = clip(summary?.finishReason);
  outcome.errorReason = ending.errorReason ?? "";
  outcome.httpStatus = ending.httpStatus;
  outcome.upstreamRequestId = clip(ending.upstreamRequestId);
  outcome.servedModel = clip(summary?.servedModel);
  outcome.serviceTier = clip(summary?.serviceTier || ending.serviceTier);
  if (ending.firstByteMs !== undefined) outcome.firstByteMs = wholeMs(ending.firstByteMs);
  outcome.durationMs = wholeMs(ending.durationMs);
  outcome.endTime = timestampFromMs(ending.endTimeMs);
  return outcome;
}

/**
 * Nothing when no byte was sent or the vendor refused (vendors do not bill their errors), the vendor's own figures when it has said all,
 * else the estimate; undefined of a batch that may have been made.
 */
function usageOf({ result, httpStatus, complete, summary, traffic, estimateUsage }: AttemptEnding): Usage | undefined {
  if (result === AttemptResult.NOT_SENT || httpStatus >= 300) return noUsage();
  if (complete && summary?.usage !== undefined) return summary.usage;
  return estimateUsage(traffic);
}

/** A vendor's word, bounded: the journal has room for a settlement of limited length. */
function clip(word: string | undefined): string {
  return word === undefined ? "" : word.slice(0, maximumWordLength);
}

function wholeMs(ms: number): bigint {
  return BigInt(Math.max(0, Math.round(ms)));
}
