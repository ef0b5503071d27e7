/** Owns moderation: the request to the vendor and the reading of its judgements. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import { ModerateResponseSchema, type ModerateRequest, type ModerateResponse, type ModerationResultSchema } from "#gen/weir/inference/v1/moderation_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { noUsage } from "../../domain/usage/estimate-usage.ts";
import { freeSummary } from "../../domain/usage/free-operation.ts";
import { asObject, asObjects, asText, parseVendorJson, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { unsupportedField, Warnings } from "../../domain/translation/warnings.ts";
import { buildImage } from "./chat/build-media.ts";
import type { OpenaiQuirks } from "./compatible/quirks.ts";
import { readUsage } from "./chat/usage.ts";

export function createModerateAdapter(quirks: OpenaiQuirks): UnaryAdapter<"moderate"> {
  return {
    buildRequest: (request, model) => buildRequest(request, model, quirks),
    readReply: (body) => readReply(body, quirks),
    native: {
      dialect: "openai",
      buildRequest: (body, model) => vendorRequest(spliceJson(body, { model }), new Warnings("The vendor", false)),
      summarizeReply: (body) => summarize(parseVendorJson(textOf(body)), quirks),
    },
    ...(quirks.moderationIsFree ? { estimateUsage: noUsage } : {}),
  };
}

function buildRequest({ inputs, strict }: ModerateRequest, model: string, quirks: OpenaiQuirks): VendorRequest {
  const warnings = new Warnings("The vendor", strict);
  const isText = inputs.every(({ parts }) => parts.every(({ kind }) => kind.case === "text"));
  if (!isText && !quirks.moderatesImages) throw unsupportedField("The vendor", "inputs.parts", "it judges texts alone.");
  if (!isText && inputs.length > 1) throw unsupportedField("The vendor", "inputs", "beside an image it judges one input at a time; send one request for each.");
  const input = isText ? inputs.map(({ parts }) => joinTexts(parts)) : inputs[0]!.parts.map((part) => buildPart(part, warnings));
  return vendorRequest(Buffer.from(JSON.stringify({ model, input })), warnings);
}

function joinTexts(parts: readonly Part[]): string {
  return parts.map(({ kind }) => (kind.case === "text" ? kind.value.text : "")).join("\n");
}

function buildPart({ kind }: Part, warnings: Warnings): object {
  if (kind.case === "text") return { type: "text", text: kind.value.text };
  const image = kind.case === "image" ? buildImage(kind.value, warnings) : undefined;
  if (image === undefined) throw unsupportedField("The vendor", "inputs.parts", "it judges texts, and images given as bytes or addresses.");
  return image;
}

function vendorRequest(body: Uint8Array, { list }: Warnings): VendorRequest {
  return { path: "/moderations", headers: {}, body, warnings: list, withholdUsage: false };
}

/** Throws UPSTREAM_PROTOCOL when there is no judgement in it. */
function readReply(body: Uint8Array, quirks: OpenaiQuirks): { readonly response: ModerateResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const results = asObjects(reply["results"]).map(readResult);
  if (results.length === 0) throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor's reply holds no judgement; try again, or use another target.");
  const summary = summarize(reply, quirks);
  const response = create(ModerateResponseSchema, { id: asText(reply["id"]), model: summary.servedModel, results, ...(summary.usage === undefined ? {} : { usage: summary.usage }) });
  return { response, summary };
}

/** Mistral says of each rule whether it is broken, and not of the whole. */
function readResult(result: JsonObject): MessageInitShape<typeof ModerationResultSchema> {
  const scores = asObject(result["category_scores"]);
  const inputTypes = asObject(result["category_applied_input_types"]);
  const categories = Object.entries(asObject(result["categories"])).map(([name, flagged]) => {
    const score = scores[name];
    const types = inputTypes[name];
    return {
      name,
      flagged: flagged === true,
      ...(typeof score === "number" ? { score } : {}),
      inputTypes: Array.isArray(types) ? types.map(asText) : [],
    };
  });
  const { flagged } = result;
  return { flagged: typeof flagged === "boolean" ? flagged : categories.some((category) => category.flagged), categories };
}

function summarize(reply: JsonObject, { moderationIsFree }: OpenaiQuirks): ReplySummary {
  const servedModel = asText(reply["model"]);
  return moderationIsFree ? freeSummary(servedModel) : { usage: readUsage(reply["usage"]), finishReason: "", servedModel, serviceTier: "" };
}
