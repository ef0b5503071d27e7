/** Owns InferenceService.Embed. */
import { create } from "@bufbuild/protobuf";
import { EmbedResponseSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/service-types.ts";
import { embeddingFor, type AskedEmbedding } from "../domain/asked.ts";
import type { EmbedCall } from "../domain/dialect.ts";
import { runCall } from "../domain/pipeline.ts";
import { callOf, type InferenceDependencies } from "./inference-dependencies.ts";

export async function embed(request: EmbedRequest, context: CallContext, dependencies: InferenceDependencies): Promise<EmbedResponse> {
  const dialectCall = dialectCallOf(request, dependencies);
  const asked: AskedEmbedding = {
    model: request.model,
    native: request.native,
    strict: request.strict,
    unknownFields: () => dialectCall?.unknownFields ?? [],
    toRequest: () => (dialectCall === undefined ? request : { ...dialectCall.toRequest(), model: request.model }),
  };
  const reply = await runCall(callOf(context, asked.model, request.labels, (target, strict) => embeddingFor(asked, target, strict)), dependencies.pipeline);
  const identification = { requestId: context.requestId, target: reply.target.name };
  const dialect = request.native?.dialect ?? "";
  let response: EmbedResponse | undefined;
  for await (const message of reply.messages) {
    if (message.embed === undefined) response = create(EmbedResponseSchema, { ...identification, native: { dialect, body: message.native } });
    else if (dialectCall === undefined) response = { ...message.embed, ...identification };
    else response = create(EmbedResponseSchema, { ...identification, native: { dialect, body: Buffer.from(JSON.stringify(dialectCall.writeReply(message.embed))) } });
  }
  return response!;
}

function dialectCallOf({ model, native, inputs, tokenInputs }: EmbedRequest, { dialects, parseJson }: InferenceDependencies): EmbedCall | undefined {
  if (native === undefined) {
    if (inputs.length + tokenInputs.length > 0) return undefined;
    throw new GatewayError("INVALID_REQUEST", "inputs: Send at least one text.", { fieldViolations: [{ field: "inputs", description: "empty" }] });
  }
  const endpoint = dialects.find(({ name }) => name === native.dialect)?.endpoints.find(({ operation }) => operation === "embed");
  if (endpoint?.operation === "embed") return endpoint.read(parseJson(native.body), { model, query: undefined });
  throw new GatewayError("INVALID_REQUEST", `native.dialect: the dialect "${native.dialect}" has no embeddings.`, { fieldViolations: [{ field: "native.dialect", description: "has no embeddings" }] });
}
