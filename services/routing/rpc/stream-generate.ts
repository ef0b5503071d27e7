/** Owns InferenceService.StreamGenerate. */
import { create } from "@bufbuild/protobuf";
import { StreamGenerateResponseSchema, StreamStartSchema, type StreamGenerateRequest, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { generationCall } from "../domain/asked-call.ts";
import { identifyEvents } from "../domain/reply-origin.ts";
import { askedGeneration, runCacheable, type InferenceDependencies } from "./inference-dependencies.ts";

export async function* streamGenerate(request: StreamGenerateRequest, context: CallContext, dependencies: InferenceDependencies): AsyncIterable<StreamGenerateResponse> {
  const generation = request.generation!;
  const asked = askedGeneration(generation, true, context, dependencies);
  const reply = await runCacheable(context, generationCall(asked), generation.labels, dependencies);
  const origin = { requestId: context.requestId, target: reply.target.name };
  if (asked.dialectCall !== undefined) yield create(StreamGenerateResponseSchema, { event: { case: "start", value: create(StreamStartSchema, { ...origin, warnings: [...reply.warnings()] }) } });
  const writer = asked.dialectCall?.createStreamWriter();
  for await (const message of reply.messages) {
    if (message.native.length > 0) yield nativeEvent(asked.dialect, message.native);
    else if (writer !== undefined) yield nativeEvent(asked.dialect, Buffer.from(writer.write(identifyEvents(message.events, origin))));
    else yield* identifyEvents(message.events, origin, reply.warnings());
  }
}

function nativeEvent(dialect: string, body: Uint8Array): StreamGenerateResponse {
  return create(StreamGenerateResponseSchema, { event: { case: "native", value: { dialect, body } } });
}
