/** Owns embeddings: InvokeModel in the form of each family of models, and the reading of its vectors. */
import { create } from "@bufbuild/protobuf";
import { EmbedResponseSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { pathOf } from "./model-path.ts";
import { objectOf } from "./read-content.ts";
import { readEmbeddingUsage } from "./usage.ts";
import { unsupportedField, Warnings } from "../../domain/translation/warnings.ts";
import type { Block } from "../../domain/translation/turns.ts";

export const embedAdapter: UnaryAdapter<"embed"> = {
  buildRequest,
  readReply,
};

function buildRequest(request: EmbedRequest, model: string): VendorRequest {
  const warnings = new Warnings("Bedrock", request.strict);
  if (request.tokenInputs.length > 0) throw unsupportedField("Bedrock", "token_inputs", "it takes texts, not tokens.");
  if (request.endUser !== undefined) warnings.add("end_user", "Bedrock has nothing like it; it is left out.");
  const body = bodyOf(request, model, warnings);
  return { path: pathOf(model, "invoke"), headers: {}, body: Buffer.from(JSON.stringify(body)), warnings: warnings.list, withholdUsage: false };
}

function bodyOf(request: EmbedRequest, model: string, warnings: Warnings): Block {
  if (/amazon\.titan-embed-text/.test(model)) return titanBody(request, model, warnings);
  if (/cohere\.embed/.test(model)) return cohereBody(request, model, warnings);
  throw unsupportedField("Bedrock", "model", `it is not known in which form ${model} takes texts; those of Titan (amazon.titan-embed-text-…) and of Cohere (cohere.embed-…) are.`);
}

/** Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html */
function titanBody({ inputs, dimensions }: EmbedRequest, model: string, warnings: Warnings): Block {
  if (inputs.length !== 1) throw unsupportedField("Bedrock", "inputs", `${model} takes one text per call; send each on its own, or use a model of Cohere.`);
  const takesDimensions = !/titan-embed-text-v1/.test(model);
  if (dimensions !== undefined && !takesDimensions) warnings.add("dimensions", "this model has vectors of one length alone.");
  return { inputText: inputs[0], ...(dimensions === undefined || !takesDimensions ? {} : { dimensions }) };
}

/**
 * Cohere must be told what the vectors are for, which types have no word for: documents that will be searched.
 * Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html and …/model-parameters-embed-v3.html.
 */
function cohereBody({ inputs, dimensions }: EmbedRequest, model: string, warnings: Warnings): Block {
  const takesDimensions = !/cohere\.embed-(english|multilingual)/.test(model);
  if (dimensions !== undefined && !takesDimensions) warnings.add("dimensions", "this model has vectors of one length alone.");
  return {
    texts: inputs,
    input_type: "search_document",
    embedding_types: ["float"],
    ...(dimensions === undefined || !takesDimensions ? {} : { output_dimension: dimensions }),
  };
}

/** Throws UPSTREAM_PROTOCOL when a vector is missing or no vector. */
function readReply(body: Uint8Array): { readonly response: EmbedResponse; readonly summary: ReplySummary } {
  const reply = parseReply(body);
  const summary = summarize(reply);
  const embeddings = vectorsOf(reply).map((vector, index) => ({ index, values: requireVector(vector) }));
  const response = create(EmbedResponseSchema, { embeddings, ...(summary.usage === undefined ? {} : { usage: summary.usage }) });
  return { response, summary };
}

/** Titan's one vector, or Cohere's, which stand by type once types were asked for. */
function vectorsOf({ embedding, embeddings }: Block): readonly unknown[] {
  if (embedding !== undefined) return [embedding];
  const vectors = Array.isArray(embeddings) ? embeddings : objectOf(embeddings)["float"];
  if (Array.isArray(vectors) && vectors.length > 0) return vectors;
  throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock's reply holds no vector; try again, or use another target.");
}

function requireVector(value: unknown): number[] {
  if (Array.isArray(value) && value.every((component) => typeof component === "number")) return value;
  throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock sent a vector that is no list of numbers; use another target.");
}

/** Cohere's reply says nothing of tokens. */
function summarize(reply: Block): ReplySummary {
  return { usage: readEmbeddingUsage(reply["inputTextTokenCount"]), finishReason: "", servedModel: "", serviceTier: "" };
}

function parseReply(body: Uint8Array): Block {
  try {
    return objectOf(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")));
  } catch (error) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock's reply is not valid JSON.", { cause: error });
  }
}
