/** Owns POST /v2/rerank: https://docs.cohere.com/reference/rerank */
import { create } from "@bufbuild/protobuf";
import { RerankRequestSchema, type RerankRequest, type RerankResponse } from "#gen/weir/inference/v1/rerank_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { ObjectReader } from "../openai/object-reader.ts";

export const rerankEndpoint = { operation: "rerank", method: "POST", path: "/v2/rerank", read } satisfies UnaryEndpoint<"rerank">;

function read(json: JsonObject): UnaryCall<"rerank"> {
  const body = new ObjectReader(json);
  return {
    model: body.text("model"),
    // Asked for once the request is read.
    get unknownFields() {
      return body.unreadMembers();
    },
    toRequest: () => readRequest(body),
    writeReply,
  };
}

function readRequest(body: ObjectReader): RerankRequest {
  return create(RerankRequestSchema, {
    model: body.text("model"),
    query: body.text("query"),
    documents: body.texts("documents"),
    topN: body.optionalInt32("top_n"),
    maxTokensPerDocument: body.optionalInt32("max_tokens_per_doc"),
  });
}

function writeReply({ id, results, usage, requestId }: RerankResponse): object {
  const searchUnits = usage?.quantities.find(({ meter }) => meter === Meter.SEARCH_UNITS)?.quantity;
  return {
    id: id === "" ? requestId : id,
    results: results.map(({ index, relevanceScore }) => ({ index, relevance_score: relevanceScore })),
    meta: { api_version: { version: "2" }, ...(searchUnits === undefined ? {} : { billed_units: { search_units: Number(searchUnits) } }) },
  };
}
