/** Owns InferenceService.Generate. */
import { create } from "@bufbuild/protobuf";
import { GenerateResponseSchema, type GenerateRequest, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { generationCall } from "../domain/asked-call.ts";
import { askedGeneration, runCacheable, type InferenceDependencies } from "./inference-dependencies.ts";

export async function generate(request: GenerateRequest, context: CallContext, dependencies: InferenceDependencies): Promise<GenerateResponse> {
  const generation = request.generation!;
  const asked = askedGeneration(generation, false, context, dependencies);
  const reply = await runCacheable(context, generationCall(asked), generation.labels, dependencies);
  const origin = { requestId: context.requestId, target: reply.target.name };
  const warned = (warnings: readonly Warning[] = []) => ({ warnings: [...warnings, ...reply.warnings()] });
  let response: GenerateResponse | undefined;
  for await (const message of reply.messages) {
    if (message.generate === undefined) response = create(GenerateResponseSchema, { ...origin, ...warned(), native: { dialect: asked.dialect, body: message.native } });
    else if (asked.dialectCall === undefined) response = { ...message.generate, ...origin, ...warned(message.generate.warnings) };
    else {
      const body = Buffer.from(JSON.stringify(asked.dialectCall.writeReply({ ...message.generate, ...origin })));
      response = create(GenerateResponseSchema, { ...origin, ...warned(message.generate.warnings), native: { dialect: asked.dialect, body } });
    }
  }
  return response!;
}
