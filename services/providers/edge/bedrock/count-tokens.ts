/** Owns counting tokens: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { promptOf, readCount } from "../../domain/usage/counted-prompt.ts";
import { noUsage } from "../../domain/usage/estimate-usage.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { writeBody } from "./build-request.ts";
import { pathOf } from "./model-path.ts";

/** The members of a Converse request that it takes: API_runtime_ConverseTokensRequest.html beside the above. */
const countedMembers = ["messages", "system", "toolConfig", "additionalModelRequestFields"];

export const countTokensAdapter: UnaryAdapter<"countTokens"> = {
  buildRequest: ({ generation }, model) => buildRequest(generation!, model),
  readReply: readCount("inputTokens"),
  estimateUsage: noUsage,
};

function buildRequest(generation: Generation, model: string): VendorRequest {
  const warnings = new Warnings("Bedrock", generation.strict);
  const members = writeBody(promptOf(generation), model, warnings);
  const converse = Object.fromEntries(Object.entries(members).filter(([name]) => countedMembers.includes(name)));
  const body = Buffer.from(JSON.stringify({ input: { converse } }));
  return { path: pathOf(model, "count-tokens"), headers: {}, body, warnings: warnings.list, withholdUsage: false };
}
