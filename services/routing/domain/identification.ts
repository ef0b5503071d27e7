/** Owns saying which request a reply is of and where it is from: providers make replies, and know neither. */
import { create } from "@bufbuild/protobuf";
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { StreamGenerateResponseSchema, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";

export interface Identification {
  readonly requestId: string;
  /** As `provider/model`. */
  readonly target: string;
}

/** The events of a stream, whose start then says so, and these warnings beside its own. */
export function identifyEvents(events: readonly StreamGenerateResponse[], identification: Identification, warnings: readonly Warning[] = []): StreamGenerateResponse[] {
  return events.map((message) => {
    if (message.event.case !== "start") return message;
    return create(StreamGenerateResponseSchema, { event: { case: "start", value: { ...message.event.value, ...identification, warnings: [...message.event.value.warnings, ...warnings] } } });
  });
}
