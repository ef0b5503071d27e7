/** Owns the writing of a whole reply. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import type { GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { sayPart, writeCall, writeDoneReason, writeIdentity, writeLogprobs, writeUsage, type Said, type Shape } from "./reply.ts";

/** Ollama has one candidate, and this dialect has no way to ask for more: any other is left out. Times are Ollama's own, so none are written. */
export function writeReply(response: GenerateResponse, shape: Shape): JsonObject {
  const [candidate] = response.candidates;
  const { finishReason = FinishReason.UNSPECIFIED, nativeFinishReason = "" } = candidate ?? {};
  return {
    ...writeIdentity(response),
    ...shape(sayAll(candidate?.message?.parts ?? [])),
    done: true,
    done_reason: writeDoneReason({ finishReason, nativeFinishReason }),
    ...writeUsage(response.usage),
    ...writeLogprobs(candidate?.logprobs ?? []),
  };
}

function sayAll(parts: readonly Part[]): Said {
  const calls = parts.flatMap(({ kind }) => (kind.case === "toolCall" ? [kind.value] : [])).map(writeCall);
  const said = parts.filter(({ kind }) => kind.case !== "toolCall").map(sayPart);
  return {
    text: said.map(({ text = "" }) => text).join(""),
    thinking: said.map(({ thinking = "" }) => thinking).join(""),
    images: said.flatMap(({ images = [] }) => images),
    calls,
  };
}
