/** Owns reranking in Jina's form, which servers have that speak OpenAI's API otherwise: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html */
import { create } from "@bufbuild/protobuf";
import { RerankResponseSchema, type RerankRequest, type RerankResponse } from "#gen/weir/inference/v1/rerank_pb.ts";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { readRanking } from "../../domain/translation/read-ranking.ts";
import { asCount, asObject, asText, parseVendorJson, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { Warnings } from "../../domain/translation/warnings.ts";

export const rerankAdapter: UnaryAdapter<"rerank"> = {
  buildRequest,
  readReply,
  native: {
    dialect: "jina",
    buildRequest: (body, model) => vendorRequest(spliceJson(body, { model }), new Warnings("The vendor", false)),
    summarizeReply: (body) => summarize(parseVendorJson(textOf(body))),
  },
};

function buildRequest({ query, documents, topN, maxTokensPerDocument, strict }: RerankRequest, model: string): VendorRequest {
  const warnings = new Warnings("The vendor", strict);
  if (maxTokensPerDocument !== undefined) warnings.add("max_tokens_per_document", "The vendor has nothing like it; it is left out.");
  return vendorRequest(Buffer.from(JSON.stringify({ model, query, documents, ...(topN === undefined ? {} : { top_n: topN }) })), warnings);
}

function vendorRequest(body: Uint8Array, { list }: Warnings): VendorRequest {
  return { path: "/rerank", headers: {}, body, warnings: list, withholdUsage: false };
}

/** Throws UPSTREAM_PROTOCOL when there is no ranking in it. */
function readReply(body: Uint8Array): { readonly response: RerankResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const summary = summarize(reply);
  const response = create(RerankResponseSchema, {
    id: asText(reply["id"]),
    model: summary.servedModel,
    results: readRanking(reply),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
  });
  return { response, summary };
}

function summarize(reply: JsonObject): ReplySummary {
  return { usage: readUsage(asObject(reply["usage"])), finishReason: "", servedModel: asText(reply["model"]), serviceTier: "" };
}

/** OpenRouter counts what its vendors charge by, and the tokens beside it. */
function readUsage(usage: JsonObject): Usage | undefined {
  const searchUnits = asCount(usage["search_units"]);
  const tokens = asCount(usage["total_tokens"]) ?? asCount(usage["prompt_tokens"]);
  const [meter, quantity] = searchUnits === undefined ? [Meter.INPUT_TOKENS, tokens] : [Meter.SEARCH_UNITS, searchUnits];
  if (quantity === undefined) return undefined;
  return create(UsageSchema, { quantities: quantity === 0 ? [] : [{ meter, quantity: BigInt(quantity) }], source: UsageSource.PROVIDER });
}
