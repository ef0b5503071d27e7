/** Owns the proof that no request names what lies in the account at a vendor, and that what merely looks so goes through. */
import { createSecretKey } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { accountOf, filesIn, filesInTypes, ownCacheKey, withVendorIds, withVendorMedia } from "./account-objects.ts";
import { FileIds } from "./file-ids.ts";

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
  expect(() => filesIn(body as never)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD", metadata: { field } }));
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
  expect(() => filesIn(body as never)).not.toThrow();
});

test("a body that is nested without end is refused", () => {
  const body = JSON.parse(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`) as never;
  expect(() => filesIn(body)).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});

test.each([
  ["fileId", "file-1"],
  ["url", "gs://bucket/secret"],
] as const)("a request in types may not name a file by its %s either, be it the result of a tool", (source, value) => {
  const part = { kind: { case: "image" as const, value: { media: { source: { case: source, value } } } } };
  for (const parts of [[part], [{ kind: { case: "toolResult" as const, value: { parts: [part] } } }]]) {
    expect(() => filesInTypes(create(GenerationSchema, { messages: [{ parts }] }))).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  }
});

test("a cache's name is the organization's own, and fits where OpenAI wants 64 characters", () => {
  expect(ownCacheKey("k", "org_1")).not.toBe(ownCacheKey("k", "org_2"));
  expect(ownCacheKey("k", "org_1")).toBe(ownCacheKey("k", "org_1"));
  expect(ownCacheKey("k".repeat(512), "org_1").length).toBeLessThanOrEqual(64);
});

const pepper = createSecretKey(Buffer.alloc(32, 1));
const ids = new FileIds("org_1", pepper);
const place = { provider: "oai", vendorId: "file-Ab_1", ownAccount: false };
const id = ids.write(place);

test("an id is its organization's and this installation's alone", () => {
  expect(ids.read(id)).toEqual(place);
  const [vendorId, provider, signature] = id.split(".");
  const forged = ["file-Ab_1", `${vendorId}.other.${signature}`, `file-Ab_2.${provider}.${signature}`, `${id}A`, id.slice(0, -1), ""];
  for (const other of forged) expect(ids.read(other)).toBeUndefined();
  expect(new FileIds("org_2", pepper).read(id)).toBeUndefined();
  expect(new FileIds("org_1", createSecretKey(Buffer.alloc(32, 2))).read(id)).toBeUndefined();
  expect(new FileIds("org_2", pepper).mark).not.toBe(ids.mark);
});

test("an id says whose account it is of, and those of two accounts are not named together", () => {
  const own = ids.write({ ...place, ownAccount: true });
  expect(own).not.toBe(id);
  expect(ids.read(own)).toEqual({ ...place, ownAccount: true });
  expect(accountOf(filesIn({ file_id: own }, ids))).toBe(true);
  expect(accountOf(filesIn({ file_id: id }, ids))).toBe(false);
  expect(() => accountOf(filesIn({ file_ids: [id, own] }, ids))).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});

test("a file of the organization's own goes to its vendor under the vendor's id, and to no other", () => {
  const body = { input: [{ role: "user", content: [{ type: "input_file", file_id: id }, { type: "input_text", text: `Not ${id}, ä` }] }], tools: [{ container: { type: "auto", file_ids: [id] } }] };
  const files = filesIn(body, ids);
  const bytes = Buffer.from(JSON.stringify(body));
  expect(Buffer.from(withVendorIds(bytes, files, "oai")).toString()).toBe(bytes.toString().replaceAll(`"${id}"`, '"file-Ab_1"'));
  expect(() => withVendorIds(bytes, files, "other")).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  expect(() => filesIn(body, new FileIds("org_2", pepper))).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
  expect(() => filesIn({ previous_response_id: id }, ids)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});

test("so it does in types", () => {
  const file = (value: string) => ({ kind: { case: "file" as const, value: { media: { source: { case: "fileId" as const, value } } } } });
  const generation = (value: string) => create(GenerationSchema, { messages: [{ parts: [file(value), { kind: { case: "toolResult", value: { parts: [file(value)] } } }] }] });
  expect(withVendorMedia(generation(id), filesInTypes(generation(id), ids), "oai")).toEqual(generation("file-Ab_1"));
  expect(() => filesInTypes(generation("file-Ab_1"), ids)).toThrow(expect.objectContaining({ reason: "UNSUPPORTED_FIELD" }));
});
