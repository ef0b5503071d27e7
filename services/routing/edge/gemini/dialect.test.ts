import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EmbedResponseSchema, ModelSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError, type GatewayErrorOptions, type Reason } from "#platform/errors.ts";
import { geminiDialect } from "./dialect.ts";
import { embedEndpoints } from "./embed-content.ts";

test.each([
  [{ "x-goog-api-key": "k" }, "", "k", true],
  [{}, "alt=sse&key=k%2B", "k+", true],
  [{ "x-goog-api-key": "k" }, "key=other", "k", true],
  [{ authorization: "Bearer k" }, "alt=sse", "k", false],
  [{}, "", undefined, false],
])("of the headers %j and the query %j the key is %s, claimed: %s", (headers, query, key, claimed) => {
  expect(geminiDialect.readCredential(headers, query)).toBe(key);
  expect(geminiDialect.claims(headers, query)).toBe(claimed);
});

test("serves both versions of the API", () => {
  const paths = geminiDialect.endpoints.map(({ method, path }) => `${method} ${path}`);
  for (const version of ["v1beta", "v1"]) {
    for (const method of ["generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents"]) expect(paths).toContain(`POST /${version}/models/{model}:${method}`);
    expect(paths).toContain(`GET /${version}/models`);
  }
});

test("the path says whether to stream, the query in which form", () => {
  const [whole, stream] = geminiDialect.endpoints;
  if (whole?.operation !== "generate" || stream?.operation !== "generate") throw new Error("not the first two");
  const call = whole.read({ contents: "not yet looked at", future: 1 }, { model: "p/m", query: "" });
  expect(call).toMatchObject({ model: "p/m", stream: false, unknownFields: [] });
  expect(() => call.toGeneration()).toThrow("contents must be a list");
  const contentTypeFor = (query: string | undefined) => stream.read({}, { model: "m", query }).createStreamWriter().contentType;
  expect(["alt=sse", "%24alt=sse", undefined].map(contentTypeFor)).toEqual(["text/event-stream", "text/event-stream", "text/event-stream"]);
  expect(["", "alt=json", "key=k"].map(contentTypeFor)).toEqual(Array(3).fill("application/json; charset=UTF-8"));
  expect(() => contentTypeFor("alt=proto")).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});

const [endpoint] = embedEndpoints("v1beta");
const embed = (body: object) => {
  const call = endpoint!.read(body as never, { model: "m", query: "" });
  return { call, request: call.toRequest() };
};
const embedded = create(EmbedResponseSchema, { embeddings: [{ values: [0.5] }, { index: 1, values: [1] }] });
const content = (...texts: string[]) => ({ parts: texts.map((text) => ({ text })) });

test("embeds one content", () => {
  const { call, request } = embed({ model: "models/m", content: content("a", "b"), outputDimensionality: 8, taskType: "RETRIEVAL_QUERY" });
  expect(request).toMatchObject({ model: "m", inputs: ["ab"], dimensions: 8 });
  expect(call.unknownFields).toEqual(["taskType"]);
  expect(call.writeReply(embedded)).toEqual({ embedding: { values: [0.5] } });
});

test("embeds a batch", () => {
  const { call, request } = embed({ requests: [{ content: content("a"), taskType: "X", title: "T" }, { content: content("b"), task_type: "X" }] });
  expect(request).toMatchObject({ inputs: ["a", "b"] });
  expect(request.dimensions).toBeUndefined();
  expect(call.unknownFields).toEqual(["requests[].taskType", "requests[].title", "requests[].task_type"]);
  expect(call.writeReply(embedded)).toEqual({ embeddings: [{ values: [0.5] }, { values: [1] }] });
});

test.each([
  ["INVALID_REQUEST", {}],
  ["INVALID_REQUEST", { requests: [] }],
  ["INVALID_REQUEST", { content: { parts: [] } }],
  ["UNSUPPORTED_FIELD", { content: { parts: [{ inlineData: {} }] } }],
  ["UNSUPPORTED_FIELD", { requests: [{ content: content("a"), outputDimensionality: 1 }, { content: content("b") }] }],
])("%s for embedding %j", (reason, body) => {
  expect(() => embed(body)).toThrow(expect.objectContaining({ reason }));
});

test("models have the names by which the client calls them", () => {
  const list = geminiDialect.endpoints.find(({ operation }) => operation === "listModels");
  if (list?.operation !== "listModels") throw new Error("no list");
  expect(list.writeReply([create(ModelSchema, { name: "openai/gpt" })], 0)).toMatchObject({ models: [{ name: "models/openai/gpt", displayName: "openai/gpt" }] });
});

const written = (reason: Reason, options: GatewayErrorOptions = {}) => {
  const { status, headers, body } = geminiDialect.writeError(new GatewayError(reason, "what, why, what to do", options), "req_1");
  return { status, headers, error: (JSON.parse(body) as { error: { code: number; status: string; details: object[] } }).error };
};

test.each<[Reason, GatewayErrorOptions, number, string]>([
  ["INVALID_REQUEST", {}, 400, "INVALID_ARGUMENT"],
  ["BODY_TOO_LARGE", {}, 413, "INVALID_ARGUMENT"],
  ["KEY_MISSING", {}, 401, "UNAUTHENTICATED"],
  ["MODEL_NOT_ALLOWED", {}, 403, "PERMISSION_DENIED"],
  ["MODEL_NOT_FOUND", {}, 404, "NOT_FOUND"],
  ["UPSTREAM_RATE_LIMITED", {}, 429, "RESOURCE_EXHAUSTED"],
  ["UPSTREAM_REJECTED", { metadata: { status: "422" } }, 422, "INVALID_ARGUMENT"],
  ["UPSTREAM_UNAVAILABLE", {}, 502, "UNAVAILABLE"],
  ["DEADLINE_EXCEEDED", {}, 504, "DEADLINE_EXCEEDED"],
  ["INTERNAL", {}, 500, "INTERNAL"],
])("%s %j is %i %s", (reason, options, status, word) => {
  expect(written(reason, options)).toMatchObject({ status, error: { code: status, status: word, message: "what, why, what to do" } });
});

test("an error carries its reason, the field and when to retry", () => {
  const { headers, error } = written("INVALID_REQUEST", { fieldViolations: [{ field: "contents", description: "is missing" }], retryAfterMs: 1_500 });
  expect(headers["retry-after"]).toBe("2");
  expect(error.details).toEqual([
    { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "INVALID_REQUEST", domain: "weir.dev", metadata: {} },
    { "@type": "type.googleapis.com/google.rpc.RequestInfo", requestId: "req_1" },
    { "@type": "type.googleapis.com/google.rpc.BadRequest", fieldViolations: [{ field: "contents", description: "is missing" }] },
    { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1.5s" },
  ]);
});
