/** Owns Weir's one error type, and what each reason means on every wire: its gRPC code and its HTTP status. */
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { BadRequestSchema, ErrorInfoSchema, QuotaFailureSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";

/** A reason of weir.errors.v1.ErrorReason, by its name. */
export type Reason = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

const errorDomain = "weir.dev";

const meanings: Readonly<Record<Reason, readonly [code: Code, httpStatus: number]>> = {
  INVALID_REQUEST: [Code.InvalidArgument, 400],
  MALFORMED_BODY: [Code.InvalidArgument, 400],
  BODY_TOO_LARGE: [Code.ResourceExhausted, 413],
  UNSUPPORTED_FIELD: [Code.InvalidArgument, 400],
  METHOD_NOT_FOUND: [Code.Unimplemented, 404],
  METHOD_NOT_EXPOSED: [Code.PermissionDenied, 403],
  UNSUPPORTED_OPERATION: [Code.Unimplemented, 400],
  GUARDRAIL_BLOCKED: [Code.FailedPrecondition, 400],
  GUARDRAIL_UNAVAILABLE: [Code.Unavailable, 503],
  TARGET_NOT_ALLOWED: [Code.PermissionDenied, 403],
  KEY_MISSING: [Code.Unauthenticated, 401],
  KEY_INVALID: [Code.Unauthenticated, 401],
  KEY_REVOKED: [Code.Unauthenticated, 401],
  PERMISSION_DENIED: [Code.PermissionDenied, 403],
  MODEL_NOT_ALLOWED: [Code.PermissionDenied, 403],
  KEY_EXPIRED: [Code.Unauthenticated, 401],
  TOKEN_EXPIRED: [Code.Unauthenticated, 401],
  TOKEN_INVALID: [Code.Unauthenticated, 401],
  CALLER_NOT_ALLOWED: [Code.PermissionDenied, 403],
  KEY_SUSPENDED: [Code.PermissionDenied, 403],
  SESSION_INVALID: [Code.Unauthenticated, 401],
  SIGN_IN_FAILED: [Code.Unauthenticated, 401],
  PROVIDER_NOT_ALLOWED: [Code.PermissionDenied, 403],
  OPERATION_NOT_ALLOWED: [Code.PermissionDenied, 403],
  ADDRESS_NOT_ALLOWED: [Code.PermissionDenied, 403],
  ORIGIN_NOT_ALLOWED: [Code.PermissionDenied, 403],
  MODEL_NOT_FOUND: [Code.NotFound, 404],
  NOT_FOUND: [Code.NotFound, 404],
  ALREADY_EXISTS: [Code.AlreadyExists, 409],
  RATE_LIMITED: [Code.ResourceExhausted, 429],
  BUDGET_EXCEEDED: [Code.ResourceExhausted, 429],
  UNPRICED_MODEL: [Code.InvalidArgument, 400],
  UNBOUNDED_COST: [Code.InvalidArgument, 400],
  ORGANIZATION_CREDENTIAL_MISSING: [Code.FailedPrecondition, 403],
  ORGANIZATION_CREDENTIAL_REFUSED: [Code.FailedPrecondition, 403],
  UPSTREAM_UNAVAILABLE: [Code.Unavailable, 502],
  UPSTREAM_REJECTED: [Code.InvalidArgument, 400],
  UPSTREAM_UNAUTHENTICATED: [Code.Unavailable, 502],
  UPSTREAM_RATE_LIMITED: [Code.ResourceExhausted, 429],
  UPSTREAM_PROTOCOL: [Code.Unavailable, 502],
  UPSTREAM_INTERRUPTED: [Code.Unavailable, 502],
  UPSTREAM_TIMEOUT: [Code.Unavailable, 504],
  CIRCUIT_OPEN: [Code.Unavailable, 503],
  DEPENDENCY_UNAVAILABLE: [Code.Unavailable, 503],
  JOURNAL_FULL: [Code.Unavailable, 503],
  SHUTTING_DOWN: [Code.Unavailable, 503],
  OVERLOADED: [Code.Unavailable, 503],
  DEADLINE_EXCEEDED: [Code.DeadlineExceeded, 504],
  CANCELLED: [Code.Canceled, 499],
  ATTEMPT_REPEATED: [Code.AlreadyExists, 409],
  ATTEMPT_TOO_LATE: [Code.FailedPrecondition, 409],
  JOURNAL_FENCED: [Code.Unavailable, 503],
  AUDIT_UNAVAILABLE: [Code.Unavailable, 503],
  PEER_REFUSED: [Code.Unauthenticated, 503],
  INTERNAL: [Code.Internal, 500],
};

/** What an error carries beside its message. */
export interface GatewayErrorOptions {
  /** Facts that a program can act on; never a secret. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** When a retry makes sense. */
  readonly retryAfterMs?: number;
  /** The fields at fault, for INVALID_REQUEST. */
  readonly fieldViolations?: readonly { readonly field: string; readonly description: string }[];
  /** The limits that were reached, as `google.rpc.QuotaFailure` has them. */
  readonly quotaViolations?: readonly QuotaViolation[];
  /** What caused it; for the log, never for the caller. */
  readonly cause?: unknown;
}

/** A limit that was reached. */
export interface QuotaViolation {
  /** Whose it is. */
  readonly subject: string;
  readonly description: string;
  /** What it counts. */
  readonly quotaMetric: string;
  /** The limit's id. */
  readonly quotaId: string;
  readonly quotaValue: bigint;
}

/**
 * An error whose message names what failed, why, and what to do, and is fit for the caller's eyes.
 * Doors render it in the caller's dialect; between services it travels as a Connect/gRPC status with ErrorInfo.
 */
export class GatewayError extends Error {
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
  readonly fieldViolations: readonly { readonly field: string; readonly description: string }[];
  readonly quotaViolations: readonly QuotaViolation[];

  constructor(reason: Reason, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "GatewayError";
    this.reason = reason;
    this.metadata = options.metadata ?? {};
    this.retryAfterMs = options.retryAfterMs;
    this.fieldViolations = options.fieldViolations ?? [];
    this.quotaViolations = options.quotaViolations ?? [];
  }

  get code(): Code {
    return meanings[this.reason][0];
  }

  /** The HTTP status for this reason; a vendor's refusal keeps the vendor's own status. */
  get httpStatus(): number {
    const upstreamStatus = this.reason === "UPSTREAM_REJECTED" ? Number(this.metadata["status"]) : 0;
    return upstreamStatus >= 400 && upstreamStatus < 500 ? upstreamStatus : meanings[this.reason][1];
  }
}

/** Any thrown value as a GatewayError; what Weir did not throw itself becomes an opaque INTERNAL with its cause. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  if (thrown instanceof ConnectError) return fromConnectError(thrown);
  return new GatewayError("INTERNAL", "Weir failed on this call; its log has the cause under the request id.", { cause: thrown });
}

/** Whether the message may be in the words of others: vendors, and plug-ins of guardrails, quote what they were sent, prompts above all. Those are the caller's alone. */
export function mayQuote(error: Error): boolean {
  return error instanceof GatewayError && (error.reason.startsWith("UPSTREAM_") || error.reason === "GUARDRAIL_BLOCKED" || "tried" in error.metadata);
}

// In gRPC all of it travels in headers. Many clients take 8 KiB of them, Node's none beyond 64, and break off all calls of the connection. The message stands there twice, once escaped, the rest takes a third more room than here.
const maximumMessageBytes = 2_000;
const maximumFactBytes = 500;
const maximumViolationBytes = 1_500;

/** The error as a Connect error with ErrorInfo and, where true, RetryInfo, QuotaFailure and BadRequest; of what is too long, the beginning. */
export function toConnectError(error: GatewayError): ConnectError {
  const connectError = new ConnectError(beginningOf(error.message, maximumMessageBytes), error.code, undefined, undefined, error.cause);
  const metadata = Object.fromEntries(Object.entries(error.metadata).map(([name, fact]) => [name, beginningOf(fact, maximumFactBytes)]));
  connectError.details.push({ desc: ErrorInfoSchema, value: { reason: error.reason, domain: errorDomain, metadata } });
  if (error.retryAfterMs !== undefined) {
    connectError.details.push({ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(Math.ceil(error.retryAfterMs)) } });
  }
  if (error.quotaViolations.length > 0) {
    connectError.details.push({ desc: QuotaFailureSchema, value: create(QuotaFailureSchema, { violations: firstOf(error.quotaViolations) }) });
  }
  if (error.fieldViolations.length > 0) {
    const fieldViolations = firstOf(error.fieldViolations).map(({ field, description }) => ({ field, description }));
    connectError.details.push({ desc: BadRequestSchema, value: create(BadRequestSchema, { fieldViolations }) });
  }
  return connectError;
}

function beginningOf(text: string, maximumBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maximumBytes) return text;
  let end = maximumBytes;
  // Not amid a character.
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return `${bytes.toString("utf8", 0, end)}…`;
}

/** As many as there is room for, one at least. */
function firstOf<Violation extends { readonly description: string }>(violations: readonly Violation[]): Violation[] {
  let room = maximumViolationBytes;
  const bounded = violations.map((violation) => ({ ...violation, description: beginningOf(violation.description, maximumFactBytes) }));
  return bounded.filter((violation, index) => (room -= bytesOf(violation)) >= 0 || index === 0);
}

function bytesOf(violation: object): number {
  return Object.values(violation).reduce((sum: number, value: unknown) => sum + Buffer.byteLength(String(value)), 0);
}

/** The GatewayError that a peer threw, read back from its details; else the nearest reason for the code. */
export function fromConnectError(error: ConnectError): GatewayError {
  const info = error.findDetails(ErrorInfoSchema).find(({ domain }) => domain === errorDomain);
  const retry = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const fieldViolations = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  const quotaViolations = error.findDetails(QuotaFailureSchema).flatMap((detail) => detail.violations);
  const reason = info !== undefined && info.reason in meanings ? (info.reason as Reason) : reasonOfCode(error.code);
  return new GatewayError(reason, error.rawMessage, {
    metadata: info?.metadata ?? {},
    fieldViolations,
    quotaViolations,
    cause: error.cause,
    ...(retry === undefined ? {} : { retryAfterMs: Number(retry.seconds) * 1000 + retry.nanos / 1e6 }),
  });
}

function reasonOfCode(code: Code): Reason {
  switch (code) {
    case Code.InvalidArgument:
    case Code.OutOfRange:
      return "INVALID_REQUEST";
    case Code.Unauthenticated:
      return "KEY_INVALID";
    case Code.PermissionDenied:
      return "PERMISSION_DENIED";
    case Code.NotFound:
      return "NOT_FOUND";
    case Code.AlreadyExists:
      return "ALREADY_EXISTS";
    case Code.ResourceExhausted:
      return "OVERLOADED";
    case Code.DeadlineExceeded:
      return "DEADLINE_EXCEEDED";
    case Code.Canceled:
      return "CANCELLED";
    case Code.Unavailable:
      return "DEPENDENCY_UNAVAILABLE";
    case Code.Unimplemented:
      return "METHOD_NOT_FOUND";
    default:
      return "INTERNAL";
  }
}
