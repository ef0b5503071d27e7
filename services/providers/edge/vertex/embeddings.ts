/** Owns embeddings: the request to Vertex AI, in the form of each family of models, and the reading of its vectors. */
import { create } from "@bufbuild/protobuf";
import { EmbedResponseSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { asCount, asObject, asObjects, isObject, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { unsupportedField, Warnings } from "../../domain/translation/warnings.ts";
import { parseReplyJson } from "../gemini/reply-json.ts";
import { readUsage } from "../gemini/usage.ts";
import { modelPath } from "./place.ts";

/** In no dialect's bytes: the Gemini API's own forms, embedContent and batchEmbedContents, have no like here. */
export function createEmbedAdapter(place: string): UnaryAdapter<"embed"> {
  return { buildRequest: (request, model) => buildRequest(request, model, place), readReply };
}

/** Source: embedContent of Models in @google/genai. */
function buildRequest({ inputs, tokenInputs, dimensions, endUser, strict }: EmbedRequest, model: string, place: string): VendorRequest {
  const warnings = new Warnings("Vertex AI", strict);
  if (tokenInputs.length > 0) throw unsupportedField("Vertex AI", "token_inputs", "it embeds texts, not token ids.");
  if (endUser !== undefined) warnings.add("end_user", "Vertex AI has nothing like it; it is left out.");
  const isByContent = model.includes("gemini") && model !== "gemini-embedding-001";
  if (isByContent && inputs.length !== 1) throw unsupportedField("Vertex AI", "inputs", `${model} takes one text per call; send each on its own.`);
  // A text that is too long is an error, and not cut in silence.
  const options = { autoTruncate: false, ...(dimensions === undefined ? {} : { outputDimensionality: dimensions }) };
  const body = isByContent ? { content: { role: "user", parts: [{ text: inputs[0] }] }, embedContentConfig: options } : { instances: inputs.map((content) => ({ content })), parameters: options };
  return {
    path: `${place}${modelPath("google", model)}:${isByContent ? "embedContent" : "predict"}`,
    headers: {},
    body: Buffer.from(JSON.stringify(body)),
    warnings: warnings.list,
    withholdUsage: false,
  };
}

/** Throws UPSTREAM_PROTOCOL when a vector is missing or no vector. The reply does not name the model. */
function readReply(body: Uint8Array): { readonly response: EmbedResponse; readonly summary: ReplySummary } {
  const reply = parseReplyJson(textOf(body));
  const summary = summarize(reply);
  const vectors = isObject(reply["embedding"]) ? [reply["embedding"]] : predictionsOf(reply);
  if (vectors.length === 0) throw new GatewayError("UPSTREAM_PROTOCOL", "Vertex AI's reply holds no vector; try again, or use another target.");
  const embeddings = vectors.map(({ values }, index) => ({ index, values: readVector(values) }));
  const response = create(EmbedResponseSchema, { embeddings, ...(summary.usage === undefined ? {} : { usage: summary.usage }) });
  return { response, summary };
}

function predictionsOf(reply: JsonObject): JsonObject[] {
  return asObjects(reply["predictions"]).map((prediction) => asObject(prediction["embeddings"]));
}

function readVector(values: unknown): number[] {
  if (Array.isArray(values) && values.every((component) => typeof component === "number")) return values;
  throw new GatewayError("UPSTREAM_PROTOCOL", "Vertex AI sent a vector that is no list of numbers; use another target.");
}

function summarize(reply: JsonObject): ReplySummary {
  return { usage: readUsage(reply["usageMetadata"], 0) ?? usageOf(predictionsOf(reply)), finishReason: "", servedModel: "", serviceTier: "" };
}

/** The tokens stand with each vector; undefined where they do not stand with all. */
function usageOf(embeddings: readonly JsonObject[]): Usage | undefined {
  const counts = embeddings.map(({ statistics }) => asCount(asObject(statistics)["token_count"]));
  if (counts.length === 0 || counts.includes(undefined)) return undefined;
  const quantity = BigInt(counts.reduce<number>((sum, count) => sum + (count ?? 0), 0));
  return create(UsageSchema, { quantities: [{ meter: Meter.INPUT_TOKENS, quantity }], source: UsageSource.PROVIDER });
}
