import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { EmbedRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { embedAdapter } from "./embeddings.ts";

const titan = "amazon.titan-embed-text-v2:0";
const cohere = "cohere.embed-v4:0";

function build(init: MessageInitShape<typeof EmbedRequestSchema>, model: string) {
  const request = embedAdapter.buildRequest(create(EmbedRequestSchema, { inputs: ["river"], ...init }), model);
  return { path: request.path, body: JSON.parse(Buffer.from(request.body).toString()) as object, warnings: request.warnings.map(({ field }) => field) };
}

const cohereBody = { texts: ["river"], input_type: "search_document", embedding_types: ["float"] };

describe("a request for vectors", () => {
  it.each([
    ["Titan", {}, titan, { inputText: "river" }, []],
    ["Titan with dimensions", { dimensions: 256 }, titan, { inputText: "river", dimensions: 256 }, []],
    ["Titan of the first generation", { dimensions: 256 }, "amazon.titan-embed-text-v1", { inputText: "river" }, ["dimensions"]],
    ["Cohere", { inputs: ["river", "lake"] }, cohere, { ...cohereBody, texts: ["river", "lake"] }, []],
    ["Cohere with dimensions", { dimensions: 512 }, `eu.${cohere}`, { ...cohereBody, output_dimension: 512 }, []],
    ["Cohere of the third generation", { dimensions: 512, endUser: "u" }, "cohere.embed-multilingual-v3", cohereBody, ["end_user", "dimensions"]],
  ])("is in the form of %s", (_what, init, model, body, warnings) => {
    expect(build(init, model)).toEqual({ path: `/model/${encodeURIComponent(model)}/invoke`, body, warnings });
  });

  it.each([
    ["several texts for Titan", { inputs: ["a", "b"] }, titan],
    ["tokens", { inputs: [], tokenInputs: [{ tokens: [1] }] }, cohere],
    ["a model of no known form", {}, "twelvelabs.marengo-embed-2-7-v1:0"],
    ["dimensions that cannot be, when strict", { dimensions: 256, strict: true }, "amazon.titan-embed-text-v1"],
  ])("is refused: %s", (_what, init, model) => {
    expect(() => build(init, model)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });
});

describe("a reply with vectors", () => {
  const read = (body: object) => embedAdapter.readReply(Buffer.from(JSON.stringify(body)));

  it.each([
    ["Titan", { embedding: [0.25, -0.5], inputTextTokenCount: 3, embeddingsByType: { float: [0.25, -0.5] } }, [[0.25, -0.5]], 3n],
    ["Cohere by type", { embeddings: { float: [[0.25], [0.5]] }, id: "i", response_type: "embeddings_by_type", texts: ["a", "b"] }, [[0.25], [0.5]], undefined],
    ["Cohere without types", { embeddings: [[0.25], [0.5]], id: "i", response_type: "embeddings_floats" }, [[0.25], [0.5]], undefined],
  ])("of %s", (_what, body, vectors, tokens) => {
    const { response, summary } = read(body);
    expect(response.embeddings.map(({ index, values }) => [index, values])).toEqual(vectors.map((vector, index) => [index, vector]));
    expect(summary.usage?.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual(tokens === undefined ? undefined : [[Meter.INPUT_TOKENS, tokens]]);
  });

  it.each([[{}], [{ embeddings: { float: [] } }], [{ embeddings: { int8: [[1]] } }], [{ embedding: "AAAA" }], [{ embeddings: [["x"]] }]])("that has none is a breach of protocol: %j", (body) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
