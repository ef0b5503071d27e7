import { create } from "@bufbuild/protobuf";
import type { CreateEmbeddingResponse } from "openai/resources/embeddings";
import { expect, test } from "vitest";
import { EmbedRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { createEmbedAdapter } from "./embeddings.ts";
import { openaiItself } from "./compatible/quirks.ts";

const embedAdapter = createEmbedAdapter(openaiItself);

const json = (body: Uint8Array): unknown => JSON.parse(Buffer.from(body).toString());
const read = (value: unknown) => embedAdapter.readReply(Buffer.from(JSON.stringify(value)));

const reply = {
  object: "list",
  model: "embed-x",
  data: [
    { object: "embedding", index: 1, embedding: [0.5, -1] },
    { object: "embedding", index: 0, embedding: [0.25, 2] },
  ],
  usage: { prompt_tokens: 7, total_tokens: 7 },
} satisfies CreateEmbeddingResponse;

test("asks for texts or for token ids", () => {
  const texts = embedAdapter.buildRequest(create(EmbedRequestSchema, { model: "r", inputs: ["a", "b"], dimensions: 2, endUser: "u" }), "embed-x");
  expect(texts.path).toBe("/embeddings");
  expect(json(texts.body)).toEqual({ model: "embed-x", input: ["a", "b"], dimensions: 2, user: "u" });
  const tokens = embedAdapter.buildRequest(create(EmbedRequestSchema, { model: "r", tokenInputs: [{ tokens: [1, 2] }] }), "embed-x");
  expect(json(tokens.body)).toEqual({ model: "embed-x", input: [[1, 2]] });
});

test("refuses texts and token ids at once", () => {
  const both = create(EmbedRequestSchema, { model: "r", inputs: ["a"], tokenInputs: [{ tokens: [1] }] });
  expect(() => embedAdapter.buildRequest(both, "embed-x")).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});

test("native bytes keep everything but the model", () => {
  const request = embedAdapter.native!.buildRequest(Buffer.from('{"input":"a", "model":"r","encoding_format":"base64"}'), "embed-x");
  expect(Buffer.from(request.body).toString()).toBe('{"input":"a", "model":"embed-x","encoding_format":"base64"}');
});

test("reads vectors in the order of the request", () => {
  const { response, summary } = read(reply);
  expect(response).toMatchObject({ model: "embed-x", embeddings: [{ index: 0, values: [0.25, 2] }, { index: 1, values: [0.5, -1] }] });
  expect(summary).toEqual(embedAdapter.native!.summarizeReply(Buffer.from(JSON.stringify(reply))));
  expect(summary.usage?.quantities).toMatchObject([{ meter: Meter.INPUT_TOKENS, quantity: 7n }]);
});

test("reads vectors in base64", () => {
  const embedding = Buffer.from(new Float32Array([0.25, 2]).buffer).toString("base64");
  expect(read({ data: [{ embedding }] }).response.embeddings).toMatchObject([{ index: 0, values: [0.25, 2] }]);
});

test.each(["{}", '{"data":[]}', '{"data":[{"index":0}]}', '{"data":[{"embedding":["a"]}]}', "oops"])("%j is no reply", (body) => {
  expect(() => embedAdapter.readReply(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
});
