/** Owns repeatable calls: a request id that was answered is answered alike again, and nothing is done twice. */
import { createHash } from "node:crypto";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Identity } from "#platform/rpc/service-types.ts";
import { visibleTo } from "../domain/reach.ts";

export interface RepeatableCall {
  /** The RPC's name; request ids of different RPCs do not meet. */
  readonly method: string;
  /** Who calls; request ids of different organizations do not meet either. */
  readonly identity: Identity;
  /** Empty when the caller does not want the call to be repeatable. */
  readonly requestId: string;
  /** All that the result depends on, in a form that is the same each time (JSON). */
  readonly input: JsonValue;
  /** The id of what the call creates or changes. */
  readonly resultId: string;
}

/**
 * Claims the request id for this call, in the transaction that carries the call out; a concurrent call with the same id waits for that.
 * Returns undefined when the call is the first, else the id of the first call's result.
 * Throws INVALID_REQUEST when the id was used with other input.
 */
export async function claimRequest(transaction: Queryable, { method, identity, requestId, input, resultId }: RepeatableCall): Promise<string | undefined> {
  if (requestId === "") return undefined;
  const { organizationId } = visibleTo(identity);
  const inputDigest = createHash("sha256").update(JSON.stringify(input)).digest();
  const claim = await transaction.query(
    "INSERT INTO answered_requests (organization_id, method, request_id, input_digest, result_id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    [organizationId, method, requestId, inputDigest, resultId],
  );
  if (claim.rowCount === 1) {
    await forgetOldRequests(transaction);
    return undefined;
  }
  const { rows } = await transaction.query<{ input_digest: Buffer; result_id: string }>(
    "SELECT input_digest, result_id FROM answered_requests WHERE organization_id = $1 AND method = $2 AND request_id = $3",
    [organizationId, method, requestId],
  );
  const answered = rows[0]!;
  if (!answered.input_digest.equals(inputDigest)) {
    const description = "This request id was used before with other input. Choose a new id for a new call; repeat a call only as it was.";
    throw new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field: "request_id", description }] });
  }
  return answered.result_id;
}

/** Keeps the table bounded: each new request removes a few that nobody repeats any more. */
async function forgetOldRequests(transaction: Queryable): Promise<void> {
  await transaction.query(
    `DELETE FROM answered_requests WHERE (organization_id, method, request_id) IN (
       SELECT organization_id, method, request_id FROM answered_requests WHERE answer_time < now() - interval '7 days' ORDER BY answer_time LIMIT 10 FOR UPDATE SKIP LOCKED
     )`,
  );
}
