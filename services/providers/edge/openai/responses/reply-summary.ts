/** Owns what the ledger must know of a Response, its usage in Weir's disjoint meters included. */
import { create } from "@bufbuild/protobuf";
import { Meter, MeterQuantitySchema, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { ReplySummary } from "../../../domain/adapter.ts";
import { asCount, asObject, asText, isObject, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readUsage } from "../chat/usage.ts";

/** Of a Response that is whole, or as far as it is made. */
export function summarizeResponse(response: JsonObject): ReplySummary {
  return {
    usage: readResponsesUsage(response),
    finishReason: asText(asObject(response["incomplete_details"])["reason"]) || asText(response["status"]),
    servedModel: asText(response["model"]),
    serviceTier: asText(response["service_tier"]),
  };
}

/**
 * The same figures as in Chat Completions under other names (`ResponseUsage` of the `openai` package), and beside them the
 * searches of OpenAI's own tool (`tool_usage.web_search.num_requests`). Undefined when the vendor reported nothing.
 */
function readResponsesUsage(response: JsonObject): Usage | undefined {
  const reported = response["usage"];
  if (!isObject(reported)) return undefined;
  const usage = readUsage({
    prompt_tokens: reported["input_tokens"],
    prompt_tokens_details: reported["input_tokens_details"],
    completion_tokens: reported["output_tokens"],
    completion_tokens_details: reported["output_tokens_details"],
    total_tokens: reported["total_tokens"],
  });
  const searches = asCount(asObject(asObject(response["tool_usage"])["web_search"])["num_requests"]) ?? 0;
  if (searches > 0) usage?.quantities.push(create(MeterQuantitySchema, { meter: Meter.WEB_SEARCHES, quantity: BigInt(searches) }));
  return usage;
}
