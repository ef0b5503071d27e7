/** Owns counting tokens, which OpenAI does for its Responses API alone: https://developers.openai.com/api/reference/resources/responses/subresources/input_tokens */
import { GatewayError } from "#platform/errors.ts";
import { spliceJson } from "#platform/json.ts";
import type { UnaryAdapter } from "../../domain/adapter.ts";
import { readCount } from "../../domain/counted-prompt.ts";
import { noUsage } from "../../domain/estimate-usage.ts";
import { freeSummary } from "../../domain/free-operation.ts";
import { responsesDialect } from "./responses-form.ts";

export const countTokensAdapter: UnaryAdapter<"countTokens"> = {
  buildRequest: () => {
    const field = "generation";
    throw new GatewayError("UNSUPPORTED_FIELD", `OpenAI counts the tokens of Responses requests alone: send one to /v1/responses/input_tokens, or native in the dialect ${responsesDialect}.`, { metadata: { field } });
  },
  readReply: readCount("input_tokens"),
  native: {
    dialect: responsesDialect,
    buildRequest: (body, model) => ({ path: "/responses/input_tokens", headers: {}, body: spliceJson(body, { model }), warnings: [], withholdUsage: false }),
    summarizeReply: () => freeSummary(),
  },
  estimateUsage: noUsage,
};
