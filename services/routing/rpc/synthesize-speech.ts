/** Owns InferenceService.SynthesizeSpeech. */
import { create } from "@bufbuild/protobuf";
import { SpeechEndSchema, SpeechStartSchema, SynthesizeSpeechResponseSchema, type SynthesizeSpeechRequest, type SynthesizeSpeechResponse } from "#gen/weir/inference/v1/speech_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { boundOfSpeech } from "../domain/budget/bound-of.ts";
import type { AskedCall } from "../domain/asked-call.ts";
import { runCall } from "../domain/pipeline.ts";
import { callOf, type InferenceDependencies } from "./inference-dependencies.ts";

export async function* synthesizeSpeech(request: SynthesizeSpeechRequest, context: CallContext, { pipeline }: InferenceDependencies): AsyncIterable<SynthesizeSpeechResponse> {
  const reply = await runCall(callOf(context, speechCall(request), request.labels), pipeline);
  for await (const { start, native, end } of reply.messages) {
    if (start !== undefined) {
      const value = create(SpeechStartSchema, { mediaType: start.contentType, warnings: [...start.warnings, ...reply.warnings()], requestId: context.requestId, target: reply.target.name });
      yield create(SynthesizeSpeechResponseSchema, { event: { case: "start", value } });
    }
    if (native.length > 0) yield create(SynthesizeSpeechResponseSchema, { event: { case: "audio", value: native } });
    if (end !== undefined) yield create(SynthesizeSpeechResponseSchema, { event: { case: "end", value: create(SpeechEndSchema, end.usage === undefined ? {} : { usage: end.usage }) } });
  }
}

export function speechCall(request: SynthesizeSpeechRequest): AskedCall {
  const { model } = request;
  return { operation: "synthesizeSpeech", model, operationFor: (_target, strict) => ({ case: "synthesizeSpeech", value: strict ? { ...request, strict } : request }), boundAt: (target) => boundOfSpeech(request, target) };
}
