/** Owns POST /v1/rerank: https://jina.ai/reranker, https://docs.together.ai/reference/rerank */
import { create } from "@bufbuild/protobuf";
import { RerankRequestSchema, type RerankRequest, type RerankResponse } from "#gen/weir/inference/v1/rerank_pb.ts";
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { JsonObject, UnaryCall, UnaryEndpoint } from "../../domain/dialect.ts";
import { ObjectReader } from "../openai/object-reader.ts";

export const rerankEndpoint = { operation: "rerank", method: "POST", path: "/v1/rerank", read } satisfies UnaryEndpoint<"rerank">;

function read(json: JsonObject): UnaryCall<"rerank"> {
  const body = new ObjectReader(json);
  return {
    model: body.text("model"),
    // Asked for once the request is read.
    get unknownFields() {
      return body.unreadMembers();
    },
    toRequest: () => readRequest(body),
    writeReply: (response) => writeReply(response, body.optionalBoolean("return_documents") === true ? readDocuments(body) : undefined),
  };
}

function readRequest(body: ObjectReader): RerankRequest {
  // The caller's own documents: the reply is written with them, whatever the vendor returns.
  body.optionalBoolean("return_documents");
  return create(RerankRequestSchema, { model: body.text("model"), query: body.text("query"), documents: readDocuments(body), topN: body.optionalInt32("top_n") });
}

/** Texts, or objects that hold nothing but a text. */
function readDocuments(body: ObjectReader): string[] {
  return body.list("documents").map((document, index) => {
    if (typeof document === "string") return document;
    const { text, ...rest } = (document ?? {}) as JsonObject;
    if (typeof text === "string" && Object.keys(rest).length === 0) return text;
    throw body.untranslatable(`documents[${index}]`, "is no text, which is all that this target can rank");
  });
}

function writeReply({ id, model, results, usage, requestId }: RerankResponse, documents: readonly string[] | undefined): object {
  return {
    id: id === "" ? requestId : id,
    object: "rerank",
    model,
    results: results.map(({ index, relevanceScore }) => ({
      index,
      relevance_score: relevanceScore,
      ...(documents === undefined ? {} : { document: { text: documents[index] ?? "" } }),
    })),
    ...writeUsage(usage),
  };
}

function writeUsage(usage: Usage | undefined): object {
  if (usage === undefined) return {};
  const quantityOf = (meter: Meter): number | undefined => {
    const quantity = usage.quantities.find((one) => one.meter === meter)?.quantity;
    return quantity === undefined ? undefined : Number(quantity);
  };
  const tokens = quantityOf(Meter.INPUT_TOKENS);
  const searchUnits = quantityOf(Meter.SEARCH_UNITS);
  return { usage: { ...(tokens === undefined ? {} : { prompt_tokens: tokens, total_tokens: tokens }), ...(searchUnits === undefined ? {} : { search_units: searchUnits }) } };
}
