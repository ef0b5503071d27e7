/** Owns the writing of a whole reply as a GenerateContentResponse. */
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Candidate } from "#gen/weir/inference/v1/generation_pb.ts";
import type { GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { writeFinish } from "./finish-reason.ts";
import { writeGrounding } from "./grounding.ts";
import { writeLogprobs } from "./logprobs.ts";
import { writeUsage } from "./usage.ts";
import { writeParts } from "./write-parts.ts";

export function writeReply(response: GenerateResponse): JsonObject {
  const usage = writeUsage(response.usage);
  return {
    candidates: response.candidates.map(writeCandidate),
    ...(usage === undefined ? {} : { usageMetadata: usage }),
    ...writeIdentity(response),
    ...(response.serviceTier === undefined ? {} : { serviceTier: response.serviceTier }),
  };
}

/** What a reply and each piece of a streamed one say about themselves. */
export function writeIdentity(reply: { readonly id: string; readonly model: string; readonly requestId: string; readonly createTime?: Timestamp | undefined }): JsonObject {
  return {
    modelVersion: reply.model,
    ...(reply.createTime === undefined ? {} : { createTime: timestampDate(reply.createTime).toISOString() }),
    responseId: reply.id === "" ? reply.requestId : reply.id,
  };
}

function writeCandidate(candidate: Candidate): JsonObject {
  const parts = candidate.message?.parts ?? [];
  const texts = parts.flatMap(({ kind }, index) => (kind.case === "text" ? [{ text: kind.value.text, citations: kind.value.citations, index }] : []));
  return {
    content: { parts: writeParts(parts), role: "model" },
    ...writeFinish(candidate),
    index: candidate.index,
    ...writeLogprobs(candidate.logprobs),
    ...writeGrounding(texts),
  };
}
