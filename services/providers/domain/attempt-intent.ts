/** Owns how the intent of an attempt is put for the ledger, before its vendor sees a byte. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AttemptIntentSchema, type AttemptIntent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { timeOfId } from "#platform/ids.ts";
import type { AttemptPlan } from "./plan-attempt.ts";

// Copied for every attempt: protobuf-es takes several times as long to make one.
const emptyIntent = create(AttemptIntentSchema);

export function intentOf(request: AttemptRequest, { operation, stream }: Pick<AttemptPlan, "operation" | "stream">, { name, vendor }: { readonly name: string; readonly vendor: string }): AttemptIntent {
  const intent = { ...emptyIntent };
  intent.attemptId = request.attemptId;
  intent.requestId = request.requestId;
  if (request.attribution !== undefined) intent.attribution = request.attribution;
  intent.route = request.route;
  intent.provider = name;
  intent.vendor = vendor;
  intent.model = request.model;
  intent.operation = operation;
  intent.stream = stream;
  intent.priceVersion = request.priceVersion;
  intent.startTime = timestampFromMs(timeOfId(request.attemptId)!);
  intent.leaseId = request.leaseId;
  intent.boundNanos = request.boundNanos;
  return intent;
}
