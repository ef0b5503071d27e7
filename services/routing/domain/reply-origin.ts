/** Owns writing into a reply which request it answers and which target made it, as providers, who make replies, know neither. */
import { create } from "@bufbuild/protobuf";
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";

export interface ReplyOrigin {
  readonly requestId: string;
  /** As `provider/model`. */
  readonly target: string;
}

/** The events of a stream, whose start then says so, and these warnings beside its own. */
export function identifyEvents(events: readonly StreamGenerateResponse[], origin: ReplyOrigin, warnings: readonly Warning[] = []): StreamGenerateResponse[] {
  return events.map((message) => {
    if (message.event.case !== "start") return message;
    return create(StreamGenerateResponseSchema, { event: { case: "start", value: { ...message.event.value, ...origin, warnings: [...message.event.value.warnings, ...warnings] } } });
  });
}
