import { create } from "@bufbuild/protobuf";
import OpenAI from "openai";
import { expect, test } from "vitest";
import { EmbedResponseSchema, ModelSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { openaiDialect } from "./dialect.ts";
import { embeddingsEndpoint } from "./embeddings.ts";
import { modelsEndpoint } from "./models.ts";

test.each([
  [{ authorization: "Bearer weir_abc" }, "weir_abc", true],
  [{ authorization: "bearer  weir_abc " }, "weir_abc", true],
  [{ authorization: "Bearer weir_abc", "anthropic-version": "2023-06-01" }, "weir_abc", false],
  [{ authorization: "Basic abc" }, undefined, false],
  [{ authorization: "Bearer two words" }, undefined, false],
  [{}, undefined, false],
])("of the headers %j the credential is %s, claimed: %s", (headers, credential, claimed) => {
  expect(openaiDialect.readCredential(headers, "")).toBe(credential);
  expect(openaiDialect.claims(headers, "")).toBe(claimed);
});

test("serves the paths of OpenAI", () => {
  expect(openaiDialect.endpoints.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /v1/chat/completions", "POST /v1/completions", "POST /v1/embeddings", "POST /v1/moderations", "POST /v1/images/generations", "POST /v1/images/edits", "POST /v1/images/variations", "POST /v1/audio/speech", "POST /v1/audio/transcriptions", "POST /v1/audio/translations", "GET /v1/models", "GET /v1/models/{model}", "POST /v1/files", "GET /v1/files", "GET /v1/files/{id}/content", "GET /v1/files/{id}", "DELETE /v1/files/{id}", "POST /v1/batches", "GET /v1/batches", "POST /v1/batches/{id}/cancel", "GET /v1/batches/{id}"]);
});

test.each([
  ["a", { inputs: ["a"] }],
  [["a", "b"], { inputs: ["a", "b"] }],
  [[1, 2], { tokenInputs: [{ tokens: [1, 2] }] }],
  [[[1], [2, 3]], { tokenInputs: [{ tokens: [1] }, { tokens: [2, 3] }] }],
])("embeds %j", (input, expected) => {
  const request = embeddingsEndpoint.read({ model: "m", input, dimensions: 8, user: "u", encoding_format: "base64" }).toRequest();
  expect(request).toMatchObject({ model: "m", dimensions: 8, endUser: "u", ...expected });
});

test.each([
  ["input", { input: [] }],
  ["input", { input: ["a", 1] }],
  ["input", { input: [1.5] }],
  ["input", {}],
  ["dimensions", { input: "a", dimensions: "8" }],
  ["encoding_format", { input: "a", encoding_format: "int8" }],
])("a fault in %s of an embedding is named", (field, body) => {
  expect(() => embeddingsEndpoint.read({ model: "m", ...body }).toRequest()).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST", fieldViolations: [expect.objectContaining({ field })] }));
});

test("an embedding's unknown member is refused, not dropped", () => {
  expect(() => embeddingsEndpoint.read({ model: "m", input: "a", input_type: "query" }).toRequest()).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field: "input_type" } }));
});

const embedded = create(EmbedResponseSchema, {
  model: "embed-x",
  embeddings: [{ index: 0, values: [0.25, -2] }],
  usage: { quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 3n }, { meter: Meter.CACHED_INPUT_TOKENS, quantity: 4n }] },
});

test.each(["float", "base64", undefined] as const)("the official client reads vectors it asked for as %s", async (encoding_format) => {
  const body: { encoding_format?: string } = {};
  const client = new OpenAI({
    apiKey: "key",
    fetch: (_url, init) => {
      Object.assign(body, JSON.parse(String(init!.body)));
      return Promise.resolve(Response.json(embeddingsEndpoint.read(body).writeReply(embedded)));
    },
  });
  const reply = await client.embeddings.create({ model: "m", input: "a", ...(encoding_format === undefined ? {} : { encoding_format }) });
  expect(reply).toMatchObject({ object: "list", model: "embed-x", usage: { prompt_tokens: 7, total_tokens: 7 }, data: [{ object: "embedding", index: 0 }] });
  const [entry] = reply.data;
  const expected = encoding_format === "base64" ? Buffer.from(new Float32Array([0.25, -2]).buffer).toString("base64") : [0.25, -2];
  expect(entry!.embedding).toEqual(expected);
});

test("the official client lists the models", async () => {
  const models = [create(ModelSchema, { name: "fast", isRoute: true }), create(ModelSchema, { name: "openai/gpt-x" })];
  const client = new OpenAI({ apiKey: "key", fetch: () => Promise.resolve(Response.json(modelsEndpoint.writeReply(models, 1_700_000_000_500))) });
  expect((await client.models.list()).data).toEqual([
    { id: "fast", object: "model", created: 1_700_000_000, owned_by: "weir" },
    { id: "openai/gpt-x", object: "model", created: 1_700_000_000, owned_by: "openai" },
  ]);
});
