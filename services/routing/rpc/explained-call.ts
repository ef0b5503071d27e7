/** Owns the calls that ExplainDecision speaks of: a request of each operation, as small as it can be. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type PartSchema, Role } from "#gen/weir/inference/v1/content_pb.ts";
import { CountTokensRequestSchema, EmbedRequestSchema, GenerationSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GenerateImagesRequestSchema } from "#gen/weir/inference/v1/image_generation_pb.ts";
import { ModerateRequestSchema } from "#gen/weir/inference/v1/moderation_pb.ts";
import { RerankRequestSchema } from "#gen/weir/inference/v1/rerank_pb.ts";
import { SynthesizeSpeechRequestSchema } from "#gen/weir/inference/v1/speech_pb.ts";
import type { ExplainDecisionRequest } from "#gen/weir/routing/v1/decision_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { generationCall, unaryCall, type AskedCall } from "../domain/asked-call.ts";
import type { UnaryName, UnaryRequest } from "../domain/unary-operation.ts";
import { askedGeneration, type InferenceDependencies } from "./inference-dependencies.ts";
import { speechCall } from "./synthesize-speech.ts";

/** The call that is asked about. */
export function explainedCall(request: ExplainDecisionRequest, context: CallContext, dependencies: InferenceDependencies): AskedCall {
  const { model, text } = request;
  switch (request.operation) {
    case "CountTokens":
      return unaryOf("countTokens", model, create(CountTokensRequestSchema, { generation: generationOf(request) }));
    case "Embed":
      return unaryOf("embed", model, create(EmbedRequestSchema, { model, inputs: [text] }));
    case "Moderate":
      return unaryOf("moderate", model, create(ModerateRequestSchema, { model, inputs: [{ parts: [textPart(text)] }] }));
    case "Rerank":
      return unaryOf("rerank", model, create(RerankRequestSchema, { model, query: text, documents: [text] }));
    case "GenerateImages":
      return unaryOf("generateImages", model, create(GenerateImagesRequestSchema, { model, prompt: text }));
    case "SynthesizeSpeech":
      return speechCall(create(SynthesizeSpeechRequestSchema, { model, input: text }));
    default:
      return generationCall(askedGeneration(generationOf(request), request.stream, context, dependencies));
  }
}

function unaryOf<Name extends UnaryName>(operation: Name, model: string, request: UnaryRequest<Name>): AskedCall {
  return unaryCall({ operation, model, native: undefined, strict: false, unknownFields: () => [], toRequest: () => request });
}

function generationOf({ model, text, maxOutputTokens }: ExplainDecisionRequest): Generation {
  return create(GenerationSchema, { model, messages: [{ role: Role.USER, parts: [textPart(text)] }], ...(maxOutputTokens !== undefined && { maxOutputTokens }) });
}

function textPart(text: string): MessageInitShape<typeof PartSchema> {
  return { kind: { case: "text", value: { text } } };
}
