/** Owns InferenceService.Generate. */
import { create } from "@bufbuild/protobuf";
import { GenerateResponseSchema, type GenerateRequest, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { CallContext } from "#platform/service-types.ts";
import { generationFor, needsFor } from "../domain/asked.ts";
import { runCall } from "../domain/pipeline.ts";
import { askedGeneration, callOf, type InferenceDependencies } from "./inference-dependencies.ts";

export async function generate(request: GenerateRequest, context: CallContext, dependencies: InferenceDependencies): Promise<GenerateResponse> {
  const generation = request.generation!;
  const asked = askedGeneration(generation, false, context, dependencies);
  const call = callOf(context, "generate", asked.model, generation.labels, (target, strict) => generationFor(asked, target, strict), needsFor(asked));
  const reply = await runCall(call, dependencies.pipeline);
  const identification = { requestId: context.requestId, target: reply.target.name };
  let response: GenerateResponse | undefined;
  for await (const message of reply.messages) {
    if (message.generate === undefined) response = create(GenerateResponseSchema, { ...identification, native: { dialect: asked.dialect, body: message.native } });
    else if (asked.dialectCall === undefined) response = { ...message.generate, ...identification };
    else {
      const body = Buffer.from(JSON.stringify(asked.dialectCall.writeReply({ ...message.generate, ...identification })));
      response = create(GenerateResponseSchema, { ...identification, warnings: message.generate.warnings, native: { dialect: asked.dialect, body } });
    }
  }
  return response!;
}
