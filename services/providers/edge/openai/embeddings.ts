/** Owns embeddings: the request to the vendor and the reading of its vectors. */
import { create } from "@bufbuild/protobuf";
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { EmbedResponseSchema, type EmbedRequest, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { NativeUnaryForm, ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { asCount, asObjects, asText, parseVendorJson, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import type { OpenaiQuirks } from "./compatible/quirks.ts";
import { readUsage } from "./chat/usage.ts";

export function createEmbedAdapter(quirks: OpenaiQuirks): UnaryAdapter<"embed"> & { readonly native: NativeUnaryForm } {
  return {
    buildRequest: (request, model) => buildRequest(request, model, quirks),
    readReply,
    native: {
      dialect: "openai",
      buildRequest: (body, model) => vendorRequest(spliceJson(body, { model }), []),
      summarizeReply: (body) => summarize(parseVendorJson(textOf(body))),
    },
  };
}

function buildRequest({ inputs, tokenInputs, dimensions, endUser, strict }: EmbedRequest, model: string, quirks: OpenaiQuirks): VendorRequest {
  if (inputs.length > 0 && tokenInputs.length > 0) {
    const description = "must be empty when inputs are given; send one of them";
    throw new GatewayError("INVALID_REQUEST", `token_inputs ${description}.`, { fieldViolations: [{ field: "token_inputs", description }] });
  }
  if (tokenInputs.length > 0 && !quirks.hasTokenInputs) {
    const field = "token_inputs";
    throw new GatewayError("UNSUPPORTED_FIELD", `The target cannot honour ${field}: The vendor embeds text only; send inputs.`, { metadata: { field } });
  }
  const warnings = new Warnings("The vendor", strict);
  const hasUser = !quirks.unknownMembers.includes("user");
  if (endUser !== undefined && !hasUser) warnings.add("end_user", "The vendor has nothing like it; it is left out.");
  if (dimensions !== undefined && quirks.dimensionsField === undefined) warnings.add("dimensions", "The vendor's vectors have one length; it is left out.");
  const body = {
    model,
    input: tokenInputs.length > 0 ? tokenInputs.map(({ tokens }) => tokens) : inputs,
    ...(dimensions === undefined || quirks.dimensionsField === undefined ? {} : { [quirks.dimensionsField]: dimensions }),
    ...(endUser === undefined || !hasUser ? {} : { user: endUser }),
  };
  return vendorRequest(Buffer.from(JSON.stringify(body)), warnings.list);
}

function vendorRequest(body: Uint8Array, warnings: readonly Warning[]): VendorRequest {
  return { path: "/embeddings", headers: {}, body, warnings, withholdUsage: false };
}

/** Throws UPSTREAM_PROTOCOL when a vector is missing or no vector. */
function readReply(body: Uint8Array): { readonly response: EmbedResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const summary = summarize(reply);
  const embeddings = asObjects(reply["data"]).map((entry, position) => ({ index: asCount(entry["index"]) ?? position, values: readVector(entry["embedding"]) }));
  if (embeddings.length === 0) throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor's reply holds no vector; try again, or use another target.");
  embeddings.sort((left, right) => left.index - right.index);
  const response = create(EmbedResponseSchema, { model: summary.servedModel, embeddings, ...(summary.usage === undefined ? {} : { usage: summary.usage }) });
  return { response, summary };
}

/** Numbers, or little-endian 32-bit floats in base64. */
function readVector(value: unknown): number[] {
  if (Array.isArray(value) && value.every((component) => typeof component === "number")) return value;
  if (typeof value === "string") {
    const bytes = Buffer.from(value, "base64");
    return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readFloatLE(index * 4));
  }
  throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor sent a vector that is no list of numbers; use another target.");
}

function summarize(reply: JsonObject): ReplySummary {
  return { usage: readUsage(reply["usage"]), finishReason: "", servedModel: asText(reply["model"]), serviceTier: "" };
}
