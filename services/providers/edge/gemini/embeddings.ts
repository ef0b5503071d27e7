/** Owns embeddings: the request to Gemini and the reading of its vectors. */
import { create } from "@bufbuild/protobuf";
import { EmbedResponseSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { asObjects, isObject, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { methodPath, nativeDialect, parseReplyJson, resourceName } from "./reply-json.ts";
import { readUsage, serviceTierOf } from "./usage.ts";
import { unsupportedField, Warnings } from "../../domain/translation/warnings.ts";

export const embedAdapter: UnaryAdapter<"embed"> = {
  buildRequest,
  readReply,
  native: { dialect: nativeDialect, buildRequest: buildNativeRequest, summarizeReply: (body) => summarize(parseReplyJson(textOf(body))) },
};

/** A vector for each text; `embedContent` makes one for all parts of a content. */
function buildRequest({ inputs, tokenInputs, dimensions, endUser, strict }: EmbedRequest, model: string): VendorRequest {
  const warnings = new Warnings("Gemini", strict);
  if (tokenInputs.length > 0) throw unsupportedField("Gemini", "token_inputs", "it embeds texts, not token ids.");
  if (endUser !== undefined) warnings.add("end_user", "Gemini has nothing like it; it is left out.");
  const requests = inputs.map((text) => ({
    model: resourceName(model),
    content: { parts: [{ text }] },
    ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }),
  }));
  return vendorRequest(Buffer.from(JSON.stringify({ requests })), model, "batchEmbedContents", warnings);
}

/** The caller's own bytes. Where they name the model again, Gemini wants the same one as in the path. */
function buildNativeRequest(body: Uint8Array, model: string): VendorRequest {
  const json = parseJsonObject(body);
  const name = resourceName(model);
  const warnings = new Warnings("Gemini", false);
  if (!Array.isArray(json["requests"])) return vendorRequest("model" in json ? spliceJson(body, { model: name }) : body, model, "embedContent", warnings);
  const requests = (json["requests"] as unknown[]).map((request) => (isObject(request) ? { ...request, model: name } : request));
  return vendorRequest(spliceJson(body, { requests }), model, "batchEmbedContents", warnings);
}

function vendorRequest(body: Uint8Array, model: string, method: string, warnings: Warnings): VendorRequest {
  return { path: methodPath(model, method), headers: {}, body, warnings: warnings.list, withholdUsage: false };
}

/** Throws UPSTREAM_PROTOCOL when a vector is missing or no vector. The reply does not name the model. */
function readReply(body: Uint8Array): { readonly response: EmbedResponse; readonly summary: ReplySummary } {
  const reply = parseReplyJson(textOf(body));
  const summary = summarize(reply);
  const vectors = isObject(reply["embedding"]) ? [reply["embedding"]] : asObjects(reply["embeddings"]);
  if (vectors.length === 0) throw new GatewayError("UPSTREAM_PROTOCOL", "Gemini's reply holds no vector; try again, or use another target.");
  const embeddings = vectors.map(({ values }, index) => ({ index, values: readVector(values) }));
  const response = create(EmbedResponseSchema, { model: summary.servedModel, embeddings, ...(summary.usage === undefined ? {} : { usage: summary.usage }) });
  return { response, summary };
}

function readVector(values: unknown): number[] {
  if (Array.isArray(values) && values.every((component) => typeof component === "number")) return values;
  throw new GatewayError("UPSTREAM_PROTOCOL", "Gemini sent a vector that is no list of numbers; use another target.");
}

function summarize(reply: JsonObject): ReplySummary {
  const metadata = reply["usageMetadata"];
  return { usage: readUsage(metadata, 0), finishReason: "", servedModel: "", serviceTier: serviceTierOf(metadata) };
}
