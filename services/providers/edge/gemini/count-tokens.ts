/** Owns counting tokens: https://ai.google.dev/api/tokens */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import type { UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { promptOf, readCount } from "../../domain/usage/counted-prompt.ts";
import { noUsage } from "../../domain/usage/estimate-usage.ts";
import { freeSummary } from "../../domain/usage/free-operation.ts";
import { isObject } from "../../domain/translation/vendor-json.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { writeBody } from "./build-request.ts";
import { withOwnContents } from "./own-contents.ts";
import { methodPath, nativeDialect, resourceName } from "./reply-json.ts";

export const countTokensAdapter: UnaryAdapter<"countTokens"> = {
  buildRequest: ({ generation }, model) => buildRequest(generation!, model),
  readReply: readCount("totalTokens"),
  native: { dialect: nativeDialect, buildRequest: buildNativeRequest, summarizeReply: () => freeSummary() },
  estimateUsage: noUsage,
};

/** Contents alone would leave out instructions and tools. */
function buildRequest(generation: Generation, model: string): VendorRequest {
  const warnings = new Warnings("Gemini", generation.strict);
  const generateContentRequest = { model: resourceName(model), ...writeBody(promptOf(generation), model, warnings) };
  return vendorRequest(Buffer.from(JSON.stringify({ generateContentRequest })), model, warnings);
}

/** The caller's own bytes. Where they name the model again, Gemini wants the same one as in the path. */
function buildNativeRequest(body: Uint8Array, model: string): VendorRequest {
  const own = withOwnContents(body, model);
  const { generateContentRequest } = own ?? parseJsonObject(body);
  const renamed = isObject(generateContentRequest) ? { ...generateContentRequest, model: resourceName(model) } : undefined;
  return vendorRequest(spliceJson(body, { contents: own?.["contents"], generateContentRequest: renamed }), model, new Warnings("Gemini", false));
}

function vendorRequest(body: Uint8Array, model: string, { list }: Warnings): VendorRequest {
  return { path: methodPath(model, "countTokens"), headers: {}, body, warnings: list, withholdUsage: false };
}
