/** Owns the proof that no request names what lies in the account at a vendor, and that what merely looks so goes through. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { ownCacheKey, refuseAccountMedia, refuseAccountObjects } from "./account-objects.ts";

const content = (part: object): object => ({ messages: [{ role: "user", content: [part] }] });

test.each<[field: string, body: object]>([
  ["previous_response_id", { previous_response_id: "resp_1" }],
  ["conversation", { conversation: "conv_1" }],
  ["conversation", { conversation: { id: "conv_1" } }],
  ["prompt", { prompt: { id: "pmpt_1" } }],
  ["background", { background: true }],
  ["input[0]", { input: [{ type: "item_reference", id: "msg_1" }] }],
  ["input[0]", { input: [{ id: "msg_1" }] }],
  ["input[0].content[0].file_id", { input: [{ role: "user", content: [{ type: "input_file", file_id: "file-1" }] }] }],
  ["input[0].output[0].file_id", { input: [{ type: "function_call_output", output: [{ type: "input_image", file_id: "file-1" }] }] }],
  ["tools[0].vector_store_ids", { tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }] }],
  ["tools[0].container", { tools: [{ type: "code_interpreter", container: "cntr_1" }] }],
  ["tools[0].container.file_ids", { tools: [{ type: "code_interpreter", container: { type: "auto", file_ids: ["file-1"] } }] }],
  ["messages[0].content[0].file.file_id", content({ type: "file", file: { file_id: "file-1" } })],
  ["messages[0].content[0].source.file_id", content({ type: "document", source: { type: "file", file_id: "file_1" } })],
  ["container", { container: { id: "container_1", skills: [] } }],
  ["cachedContent", { cachedContent: "cachedContents/1" }],
  ["contents[0].parts[0].fileData.fileUri", { contents: [{ parts: [{ fileData: { fileUri: "https://generativelanguage.googleapis.com/v1beta/files/1" } }] }] }],
  ["contents[0].parts[0].file_data.file_uri", { contents: [{ parts: [{ file_data: { file_uri: "GS://bucket/secret" } }] }] }],
  ["tools[0].fileSearch.fileSearchStoreNames", { tools: [{ fileSearch: { fileSearchStoreNames: ["fileSearchStores/1"] } }] }],
  ["messages[0].content[0].image_url.url", content({ type: "image_url", image_url: { url: "gs://bucket/secret" } })],
  ["messages[0].content[0].source.url", content({ type: "image", source: { type: "url", url: " s3://bucket/secret" } })],
])("%s is refused in %j", (field, body) => {
  expect(() => refuseAccountObjects(body as never)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field } }));
});

const looksSo = { file_id: "file-1", conversation: "conv_1", container: "c", fileUri: "gs://b" };

test.each<[what: string, body: object]>([
  ["arguments and results of tools", { messages: [{ content: [{ type: "tool_use", input: looksSo }, { functionCall: { args: looksSo } }, { functionResponse: { response: looksSo } }] }] }],
  ["schemas", { tools: [{ function: { parameters: { properties: { file_id: { type: "string" } }, required: ["file_id"], default: looksSo } }, input_schema: looksSo }] }],
  ["texts", { prompt: "file_id", input: ["gs://bucket"], messages: [{ content: "previous_response_id" }], metadata: looksSo }],
  ["items with their ids", { input: [{ id: "msg_1", role: "assistant", content: [] }, { id: "rs_1", type: "reasoning", encrypted_content: "x" }] }],
  ["what is left empty", { previous_response_id: null, conversation: null, background: false, container: { type: "auto" }, tools: [{ type: "code_interpreter", container: { type: "auto", file_ids: [] } }] }],
  ["public addresses", content({ type: "image_url", image_url: { url: "https://storage.googleapis.com/public/a.png" } })],
])("%s go through", (_, body) => {
  expect(() => refuseAccountObjects(body as never)).not.toThrow();
});

test("a body that is nested without end is refused", () => {
  const body = JSON.parse(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`) as never;
  expect(() => refuseAccountObjects(body)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});

test.each([
  ["fileId", "file-1"],
  ["url", "gs://bucket/secret"],
] as const)("a request in types may not name a file by its %s either, be it the result of a tool", (source, value) => {
  const part = { kind: { case: "image" as const, value: { media: { source: { case: source, value } } } } };
  for (const parts of [[part], [{ kind: { case: "toolResult" as const, value: { parts: [part] } } }]]) {
    expect(() => refuseAccountMedia(create(GenerationSchema, { messages: [{ parts }] }))).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  }
});

test("a cache's name is the organization's own, and fits where OpenAI wants 64 characters", () => {
  expect(ownCacheKey("k", "org_1")).not.toBe(ownCacheKey("k", "org_2"));
  expect(ownCacheKey("k", "org_1")).toBe(ownCacheKey("k", "org_1"));
  expect(ownCacheKey("k".repeat(512), "org_1").length).toBeLessThanOrEqual(64);
});
