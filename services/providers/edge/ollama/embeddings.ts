/** Owns embeddings: the request to Ollama and the reading of its vectors. */
import { create } from "@bufbuild/protobuf";
import { EmbedResponseSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { parseVendorJson, textOf } from "../../domain/translation/vendor-json.ts";
import { unsupportedField, Warnings } from "../../domain/translation/warnings.ts";
import { summarize } from "./read-reply.ts";
import { nativeDialect } from "./write-messages.ts";

export const embedAdapter: UnaryAdapter<"embed"> = {
  buildRequest,
  readReply,
  native: {
    dialect: nativeDialect,
    buildRequest: (body, model) => vendorRequest(spliceJson(body, { model }), new Warnings("Ollama", false)),
    summarizeReply: (body) => summarize(parseVendorJson(textOf(body))),
  },
};

function buildRequest({ inputs, tokenInputs, dimensions, endUser, strict }: EmbedRequest, model: string): VendorRequest {
  const warnings = new Warnings("Ollama", strict);
  if (tokenInputs.length > 0) throw unsupportedField("Ollama", "token_inputs", "it embeds text only; send inputs.");
  if (endUser !== undefined) warnings.add("end_user", "Ollama has nothing like it; it is left out.");
  return vendorRequest(Buffer.from(JSON.stringify({ model, input: inputs, ...(dimensions === undefined ? {} : { dimensions }) })), warnings);
}

function vendorRequest(body: Uint8Array, { list }: Warnings): VendorRequest {
  return { path: "/api/embed", headers: {}, body, warnings: list, withholdUsage: false };
}

/** Throws UPSTREAM_PROTOCOL when a vector is missing or no vector. */
function readReply(body: Uint8Array): { readonly response: EmbedResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const { embeddings: vectors } = reply;
  if (!Array.isArray(vectors) || vectors.length === 0) throw new GatewayError("UPSTREAM_PROTOCOL", "Ollama's reply holds no vector; try again, or use another target.");
  const summary = summarize(reply);
  const response = create(EmbedResponseSchema, {
    model: summary.servedModel,
    embeddings: vectors.map((vector, index) => ({ index, values: readVector(vector) })),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
  });
  return { response, summary };
}

function readVector(value: unknown): number[] {
  if (Array.isArray(value) && value.every((component) => typeof component === "number")) return value;
  throw new GatewayError("UPSTREAM_PROTOCOL", "Ollama sent a vector that is no list of numbers; use another target.");
}
