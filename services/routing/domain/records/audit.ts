/** Owns what of a call stands in the audit log: that it begins, before it is made, and how it ended; and that a management call was denied. */
import { createHash } from "node:crypto";
import { create, type DescMethod, type Message } from "@bufbuild/protobuf";
import { AuditRecordSchema, type AuditRecord } from "#gen/weir/metering/v1/audit_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { OrganizationSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { AuditClass, Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import { redactedJson } from "#platform/formats/redacted-json.ts";

/** A call as its door knows it. */
export interface AuditedCall {
  readonly method: DescMethod;
  readonly request: Message;
  readonly grant: Grant;
  /** The IP address it comes from. */
  readonly address: string;
  readonly requestId: string;
}

/** Where calls are recorded. */
export interface AuditTrail {
  /** Durable when it resolves. Rejects when it cannot be within a few seconds. */
  record(records: readonly AuditRecord[]): Promise<void>;
  /** Tells of what could not be recorded. */
  onLost(records: readonly AuditRecord[], error: unknown): void;
}

/**
 * The call's response. A change is made only when it stands in the log that it begins, else this throws AUDIT_UNAVAILABLE; should its
 * outcome not be recorded, its entry stands as begun.
 */
export async function audited<Response extends Message>(call: AuditedCall, trail: AuditTrail, make: () => Promise<Response>): Promise<Response> {
  const { audit } = ruleOf(call.method);
  if (audit !== AuditClass.WRITE && audit !== AuditClass.SENSITIVE_READ) return makeUnlessDenied(call, trail, make);
  await trail.record(recordsOf(call, "begun")).catch((cause: unknown) => {
    // It names an organization that cannot be: no such thing stands in any log.
    if (toGatewayError(cause).reason === "INVALID_REQUEST") throw cause;
    throw new GatewayError("AUDIT_UNAVAILABLE", "The audit log cannot be written, so the call was not made: metering or its database does not answer. Try again in a few seconds.", { retryAfterMs: 2_000, cause });
  });
  try {
    const response = await make();
    await recordIfPossible(recordsOf(call, "ok", response), trail);
    return response;
  } catch (thrown) {
    await recordIfPossible(recordsOf(call, toGatewayError(thrown).reason), trail);
    throw thrown;
  }
}

async function makeUnlessDenied<Response extends Message>(call: AuditedCall, trail: AuditTrail, make: () => Promise<Response>): Promise<Response> {
  try {
    return await make();
  } catch (thrown) {
    await recordDenial(call, thrown, trail);
    throw thrown;
  }
}

/** Records that the call was refused to this caller, if it was, and is one of management that leaves no other entry. */
export async function recordDenial(call: AuditedCall, thrown: unknown, trail: AuditTrail): Promise<void> {
  const { reason } = toGatewayError(thrown);
  if (reason === "PERMISSION_DENIED" && ruleOf(call.method).exposure === Exposure.ADMIN) await recordIfPossible(recordsOf(call, reason), trail);
}

async function recordIfPossible(records: readonly AuditRecord[], trail: AuditTrail): Promise<void> {
  await trail.record(records).catch((error: unknown) => trail.onLost(records, error));
}

/** One for the log of each organization that the call concerns. */
function recordsOf(call: AuditedCall, outcome: string, response?: Message): AuditRecord[] {
  const { method, request, grant, address, requestId } = call;
  const requestJson = bounded(readableJson(method, request));
  return concernedBy(call, response).map((organizationId) =>
    create(AuditRecordSchema, {
      organizationId,
      callId: requestId,
      actor: grant.keyId,
      actorOrganizationId: grant.organizationId,
      actorTeamId: grant.teamId,
      address,
      method: `${method.parent.typeName}/${method.name}`,
      requestJson,
      outcome,
    }),
  );
}

/** The caller's organization, and for a caller who reaches all, those whose things it names or gets back: nobody else writes into another's log. */
function concernedBy({ request, grant }: AuditedCall, response: Message | undefined): string[] {
  if (grant.reach !== Reach.INSTALLATION) return [grant.organizationId];
  const messages = [request, ...(response === undefined ? [] : [response, ...membersOf(response)])];
  return [...new Set([grant.organizationId, ...messages.flatMap(organizationOf)])];
}

/** Throws INVALID_REQUEST for what no JSON can say, such as a time after the year 9999. */
function readableJson(method: DescMethod, request: Message): string {
  try {
    return JSON.stringify(redactedJson(method.input, request));
  } catch (cause) {
    throw new GatewayError("INVALID_REQUEST", `The request has no form as JSON, in which the audit log keeps it: ${(cause as Error).message}. Correct that and send it again.`, { cause });
  }
}

const maximumRequestBytes = 16_384;

/** Of a request that is too long its size and digest, by which what the caller has is known again. */
function bounded(json: string): string {
  const bytes = Buffer.byteLength(json);
  return bytes <= maximumRequestBytes ? json : JSON.stringify({ omitted: { bytes, sha256: createHash("sha256").update(json).digest("hex") } });
}

/** The organization that the message is, or is of. */
function organizationOf(message: Message): string[] {
  const { organizationId, id } = message as Message & { readonly organizationId?: unknown; readonly id?: unknown };
  const named = message.$typeName === OrganizationSchema.typeName ? id : organizationId;
  return typeof named === "string" && named !== "" ? [named] : [];
}

function membersOf(message: Message): Message[] {
  return Object.values<unknown>({ ...message }).filter((value): value is Message => typeof value === "object" && value !== null && "$typeName" in value);
}
