/** Owns the request by which providers are asked for an attempt. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AttributionSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { AttemptRequestSchema, type AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { newId } from "#platform/ids.ts";
import type { Reservation } from "../budget/reserve.ts";
import type { Call, Operation } from "../call.ts";
import { withOutputMaximum } from "../output-maximum.ts";
import type { PipelineDependencies } from "../pipeline.ts";
import type { Plan, Target } from "../targets/plan.ts";

/** How long an attempt may wait at providers before it begins. */
const startWithinMs = 30_000;

// Copies of empty ones, filled field by field: protobuf-es takes several times as long, and every request makes these two.
const emptyAttribution = create(AttributionSchema);
export const emptyRequest = create(AttemptRequestSchema);

export function attemptRequest(call: Call, { route }: Plan, target: Target, operation: Operation, reservation: Reservation | undefined, { clock, priceVersion }: PipelineDependencies): AttemptRequest {
  const attribution = { ...emptyAttribution };
  attribution.organizationId = call.grant.organizationId;
  attribution.teamId = call.grant.teamId;
  attribution.keyId = call.grant.keyId;
  attribution.labels = call.labels;
  const request = { ...emptyRequest };
  request.attemptId = newId("att", clock);
  request.requestId = call.requestId;
  request.attribution = attribution;
  request.route = route;
  request.provider = target.provider.name;
  request.model = target.model;
  request.priceVersion = priceVersion();
  request.startDeadlineTime = timestampFromMs(clock.now() + startWithinMs);
  if (reservation !== undefined) {
    const { leaseId, bound, startWithinMs: lifeMs } = reservation.hold;
    request.leaseId = leaseId;
    request.boundNanos = bound.nanos;
    request.startDeadlineTime = timestampFromMs(clock.now() + Math.min(startWithinMs, Math.floor(lifeMs)));
  }
  if (call.ownAccount !== undefined) request.ownAccount = call.ownAccount;
  request.operation = withOutputMaximum(operation, reservation?.hold.bound.outputTokens);
  return request;
}
