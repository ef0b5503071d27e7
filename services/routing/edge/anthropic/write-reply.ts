/** Owns the writing of a whole reply as a Message. */
import type { GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Candidate } from "#gen/weir/inference/v1/generation_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { writeStopReason } from "./stop-reason.ts";
import { writeServiceTier, writeUsage } from "./usage.ts";
import { writeBlock } from "./write-content.ts";

/** A Message has one candidate, and this dialect has no way to ask for more: any other is left out. */
export function writeReply(response: GenerateResponse): JsonObject {
  const candidate = response.candidates[0];
  return {
    id: response.id === "" ? response.requestId : response.id,
    type: "message",
    role: "assistant",
    model: response.model,
    content: (candidate?.message?.parts ?? []).map(writeBlock),
    ...writeEnding(candidate),
    container: null,
    usage: { ...writeUsage(response.usage), service_tier: writeServiceTier(response.serviceTier) },
  };
}

function writeEnding(candidate: Candidate | undefined): JsonObject {
  if (candidate === undefined) return { stop_reason: "end_turn", stop_sequence: null, stop_details: null };
  const refusal = candidate.message?.parts.find((part) => part.kind.case === "refusal");
  const explanation = refusal?.kind.case === "refusal" ? refusal.kind.value.text : undefined;
  return writeStop(candidate, explanation);
}

/** The members that say why a reply ended. A model that declined in words of its own has refused, whatever reason it gave. */
export function writeStop(ending: Parameters<typeof writeStopReason>[0], refusal: string | undefined): JsonObject {
  return {
    stop_reason: refusal === undefined ? writeStopReason(ending) : "refusal",
    stop_sequence: ending.stopSequence ?? null,
    stop_details: refusal === undefined ? null : { type: "refusal", category: null, explanation: refusal },
  };
}
