/** Owns counting tokens, which OpenAI does for its Responses API alone: https://developers.openai.com/api/reference/resources/responses/subresources/input_tokens */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { UnaryAdapter, VendorRequest } from "../../../domain/adapter.ts";
import { promptOf, readCount } from "../../../domain/usage/counted-prompt.ts";
import { noUsage } from "../../../domain/usage/estimate-usage.ts";
import { freeSummary } from "../../../domain/usage/free-operation.ts";
import { Warnings } from "../../../domain/translation/warnings.ts";
import { responsesDialect } from "./build-input.ts";
import { buildResponsesPrompt } from "./build-request.ts";

const path = "/responses/input_tokens";

export const countTokensAdapter: UnaryAdapter<"countTokens"> = {
  buildRequest: ({ generation }, model) => buildRequest(generation!, model),
  readReply: readCount("input_tokens"),
  native: {
    dialect: responsesDialect,
    buildRequest: (body, model) => ({ path, headers: {}, body: spliceJson(body, { model }), warnings: [], withholdUsage: false }),
    summarizeReply: () => freeSummary(),
  },
  estimateUsage: noUsage,
};

function buildRequest(generation: Generation, model: string): VendorRequest {
  const warnings = new Warnings("OpenAI", generation.strict);
  const body = { model, ...buildResponsesPrompt(promptOf(generation), model, "openai", warnings) };
  return { path, headers: {}, body: Buffer.from(JSON.stringify(body)), warnings: warnings.list, withholdUsage: false };
}
