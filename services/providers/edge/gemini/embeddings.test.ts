import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { EmbedRequestSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { embedAdapter } from "./embeddings.ts";

const model = "gemini-embedding-2";
const bodyOf = (body: Uint8Array): unknown => JSON.parse(Buffer.from(body).toString());

/** Source of the forms: https://ai.google.dev/api/embeddings. */
describe("embeddings of Gemini", () => {
  it("ask for one vector per text", () => {
    const { path, body, warnings } = embedAdapter.buildRequest(create(EmbedRequestSchema, { inputs: ["a", "b"], dimensions: 3, endUser: "u" }), model);
    expect(path).toBe("/models/gemini-embedding-2:batchEmbedContents");
    expect(bodyOf(body)).toEqual({ requests: ["a", "b"].map((text) => ({ model: `models/${model}`, content: { parts: [{ text }] }, outputDimensionality: 3 })) });
    expect(warnings.map(({ field }) => field)).toEqual(["end_user"]);
  });

  it("take no token ids", () => {
    expect(() => embedAdapter.buildRequest(create(EmbedRequestSchema, { tokenInputs: [{ tokens: [1] }] }), model)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  });

  it("go on in the caller's own bytes, with the model's name where it stands again", () => {
    const untouched = Buffer.from('{ "content": {"parts": [{"text": "a"}]} }');
    expect(embedAdapter.native!.buildRequest(untouched, model)).toMatchObject({ path: "/models/gemini-embedding-2:embedContent", body: untouched });
    expect(Buffer.from(embedAdapter.native!.buildRequest(Buffer.from('{ "model":"models/route",  "x": 1.0 }'), model).body).toString()).toBe('{ "model":"models/gemini-embedding-2",  "x": 1.0 }');
    const batch = embedAdapter.native!.buildRequest(Buffer.from('{"requests":[{"model":"models/route","taskType":"CLUSTERING"}],  "x": 1.0}'), model);
    expect(batch.path).toBe("/models/gemini-embedding-2:batchEmbedContents");
    expect(Buffer.from(batch.body).toString()).toBe('{"requests":[{"model":"models/gemini-embedding-2","taskType":"CLUSTERING"}],  "x": 1.0}');
  });

  it("are read, one or several, with what they used where Gemini says it", () => {
    const several = embedAdapter.readReply(Buffer.from('{"embeddings":[{"values":[1,2]},{"values":[3,4]}],"usageMetadata":{"promptTokenCount":5}}'));
    expect(several.response.embeddings).toMatchObject([{ index: 0, values: [1, 2] }, { index: 1, values: [3, 4] }]);
    expect(several.summary.usage?.quantities[0]).toMatchObject({ quantity: 5n });
    const one = embedAdapter.readReply(Buffer.from('{"embedding":{"values":[1]}}'));
    expect(one.response.embeddings).toMatchObject([{ index: 0, values: [1] }]);
    expect(one.summary.usage).toBeUndefined();
  });

  it.each(["{", "{}", '{"embeddings":[]}', '{"embeddings":[{"values":["a"]}]}'])("are refused as unreadable: %s", (body) => {
    expect(() => embedAdapter.readReply(Buffer.from(body))).toThrow(expect.objectContaining({ reason: "UPSTREAM_PROTOCOL" }));
  });
});
