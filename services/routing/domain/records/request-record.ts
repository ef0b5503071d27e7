/** Owns what is told of a request that its attempts do not tell of: that it was refused, failed, was answered by the cache, or that guardrails found something in it. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { RequestOutcome, RequestRecordSchema, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import { mayQuote, toGatewayError, type GatewayError, type Reason } from "#platform/errors.ts";
import { timeOfId } from "#platform/ids.ts";
import { isFound } from "../cache/call-cache.ts";
import type { CallNotes } from "./call-notes.ts";
import { wordFor } from "../targets/capability.ts";
import type { PlanningView } from "../targets/plan.ts";

/** A request for a model that has ended. */
export interface EndedRequest {
  readonly requestId: string;
  /** What was called, where it was refused before it was read. */
  readonly operation: string;
  readonly notes: CallNotes;
  readonly durationMs: number;
  /** Undefined where it was answered. */
  readonly error: GatewayError | undefined;
}

/** Whether it is none of those of which their attempts tell all. */
export function isNotable({ cacheUse, findings }: CallNotes, error: GatewayError | undefined): boolean {
  return error !== undefined || findings.length > 0 || (cacheUse !== undefined && isFound(cacheUse));
}

/** Undefined where it is not known whose request it was. */
export function requestRecordOf({ requestId, operation, notes, durationMs, error }: EndedRequest, { routes }: PlanningView): RequestRecord | undefined {
  const { grant, call, target, passedOver, findings } = notes;
  if (grant === undefined || grant.organizationId === "") return undefined;
  const { organizationId, teamId, keyId } = grant;
  const time = timestampFromMs(timeOfId(requestId)!);
  return create(RequestRecordSchema, {
    requestIds: [requestId],
    count: 1n,
    startTime: time,
    lastTime: time,
    duration: durationFromMs(Math.round(durationMs)),
    // The key's labels win, as in its attempts.
    attribution: { organizationId, teamId, keyId, labels: { ...call?.labels, ...grant.labels } },
    operation: call === undefined ? inWords(operation) : wordFor(call.operation),
    model: cut(call?.model ?? "", longestName),
    route: call !== undefined && routes.has(call.model) ? call.model : "",
    outcome: outcomeOf(notes, error),
    errorReason: error === undefined ? ErrorReason.UNSPECIFIED : ErrorReason[error.reason],
    errorMessage: error === undefined ? "" : messageOf(error),
    target: cut(target?.name ?? "", longestName),
    passedOver: passedOver.slice(0, mostEntries).map((other) => {
      const why = toGatewayError(other.error);
      return { name: cut(other.target.name, longestName), reason: ErrorReason[why.reason], message: messageOf(why) };
    }),
    findings: findings.slice(0, mostEntries).map(({ rule, mode, detector, side }) => ({ rule, mode, detector: cut(detector, longestDetector), side })),
  });
}

/** In characters: of bytes the contract allows at least three times as many. */
const longestName = 256;
const longestDetector = 80;
const longestMessage = 1_000;
const mostEntries = 64;

function outcomeOf({ cacheUse }: CallNotes, error: GatewayError | undefined): RequestOutcome {
  if (error !== undefined) return isFailure(error.reason) ? RequestOutcome.FAILED : RequestOutcome.REFUSED;
  return cacheUse !== undefined && isFound(cacheUse) ? RequestOutcome.CACHED : RequestOutcome.SERVED;
}

/** Whether a vendor or a part of Weir did not do its part: of all other reasons it is a rule, or the request itself. */
function isFailure(reason: Reason): boolean {
  return reason.startsWith("UPSTREAM_") || failures.has(reason);
}

const failures: ReadonlySet<Reason> = new Set<Reason>([
  "GUARDRAIL_UNAVAILABLE",
  "ORGANIZATION_CREDENTIAL_REFUSED",
  "CIRCUIT_OPEN",
  "DEPENDENCY_UNAVAILABLE",
  "JOURNAL_FULL",
  "JOURNAL_FENCED",
  "SHUTTING_DOWN",
  "OVERLOADED",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "ATTEMPT_REPEATED",
  "ATTEMPT_TOO_LATE",
  "PEER_REFUSED",
  "AUDIT_UNAVAILABLE",
  "INTERNAL",
]);

function messageOf(error: GatewayError): string {
  return mayQuote(error) ? "" : cut(error.message, longestMessage);
}

function cut(text: string, most: number): string {
  // Half a character is no text for a wire.
  return (text.length > most ? `${text.slice(0, most)}…` : text).toWellFormed();
}

/** `countTokens` as the ledger has it. */
function inWords(operation: string): string {
  return operation.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
