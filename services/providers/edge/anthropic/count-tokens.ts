/** Owns counting tokens: https://platform.claude.com/docs/en/build-with-claude/token-counting */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { promptOf, readCount } from "../../domain/usage/counted-prompt.ts";
import { noUsage } from "../../domain/usage/estimate-usage.ts";
import { freeSummary } from "../../domain/usage/free-operation.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { writeBody } from "./build-request.ts";
import { messagesOfOwnThinking } from "./own-thinking.ts";
import { nativeDialect } from "./write-content.ts";

/** The members of a Messages request that it takes (MessageCountTokensParams in @anthropic-ai/sdk). */
const countedMembers = ["model", "system", "messages", "tools", "tool_choice", "thinking", "output_config"];

/** Above every budget for thinking, which must be below it. It is not sent. */
const amplyMany = 1_000_000n;

export const countTokensAdapter: UnaryAdapter<"countTokens"> = {
  buildRequest: ({ generation }, model) => buildRequest(generation!, model),
  readReply: readCount("input_tokens"),
  native: {
    dialect: nativeDialect,
    buildRequest: (body, model) => vendorRequest(spliceJson(body, { model, messages: messagesOfOwnThinking(body) }), new Warnings("Anthropic", false)),
    summarizeReply: () => freeSummary(),
  },
  estimateUsage: noUsage,
};

function buildRequest(generation: Generation, model: string): VendorRequest {
  const warnings = new Warnings("Anthropic", generation.strict);
  const members = writeBody({ ...promptOf(generation), maxOutputTokens: amplyMany }, model, warnings);
  const counted = Object.fromEntries(Object.entries(members).filter(([name]) => countedMembers.includes(name)));
  return vendorRequest(Buffer.from(JSON.stringify(counted)), warnings);
}

function vendorRequest(body: Uint8Array, { list }: Warnings): VendorRequest {
  return { path: "/messages/count_tokens", headers: {}, body, warnings: list, withholdUsage: false };
}
