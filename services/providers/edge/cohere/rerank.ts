/** Owns reranking: https://docs.cohere.com/reference/rerank */
import { create } from "@bufbuild/protobuf";
import { RerankResponseSchema, type RerankRequest, type RerankResponse } from "#gen/weir/inference/v1/rerank_pb.ts";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { spliceJson } from "#platform/formats/json.ts";
import type { ReplySummary, UnaryAdapter, VendorRequest } from "../../domain/adapter.ts";
import { readRanking } from "../../domain/translation/read-ranking.ts";
import { asText, parseVendorJson, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { readUsage } from "./usage.ts";
import { nativeDialect } from "./write-messages.ts";

export const rerankAdapter: UnaryAdapter<"rerank"> = {
  buildRequest,
  readReply,
  native: {
    dialect: nativeDialect,
    buildRequest: (body, model) => vendorRequest(spliceJson(body, { model })),
    summarizeReply: (body) => summarize(parseVendorJson(textOf(body))),
  },
  estimateUsage: oneSearchUnit,
};

function buildRequest({ query, documents, topN, maxTokensPerDocument }: RerankRequest, model: string): VendorRequest {
  const body = {
    model,
    query,
    documents,
    ...(topN === undefined ? {} : { top_n: topN }),
    ...(maxTokensPerDocument === undefined ? {} : { max_tokens_per_doc: maxTokensPerDocument }),
  };
  return vendorRequest(Buffer.from(JSON.stringify(body)));
}

function vendorRequest(body: Uint8Array): VendorRequest {
  return { path: "/rerank", headers: {}, body, warnings: [], withholdUsage: false };
}

/** The reply does not name the model. Throws UPSTREAM_PROTOCOL when there is no ranking in it. */
function readReply(body: Uint8Array): { readonly response: RerankResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const summary = summarize(reply);
  const response = create(RerankResponseSchema, { id: asText(reply["id"]), results: readRanking(reply), ...(summary.usage === undefined ? {} : { usage: summary.usage }) });
  return { response, summary };
}

function summarize(reply: JsonObject): ReplySummary {
  return { usage: readUsage(reply["meta"]), finishReason: "", servedModel: "", serviceTier: "" };
}

/** The least that a search can be: one query with up to a hundred documents (https://cohere.com/pricing). */
function oneSearchUnit(): Usage {
  return create(UsageSchema, { quantities: [{ meter: Meter.SEARCH_UNITS, quantity: 1n }], source: UsageSource.ESTIMATED });
}
