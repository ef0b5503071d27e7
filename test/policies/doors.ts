/**
 * Owns the rows of the matrix of doors and policies: for each door a request that holds `text`, and what its policies are there. A door
 * without a row fails every-door.test.ts.
 */
import type { DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Exposure } from "#gen/weir/types/v1/method_pb.ts";
import type { Reason } from "#platform/errors.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import { validRequest } from "./valid-request.ts";

export const policies = ["auth", "rate", "budget", "guardrail", "audit"] as const;
export type Policy = (typeof policies)[number];

/** Enforced; enforced by another refusal than that of calls of models; or why the policy does not apply. */
export type Row = Readonly<Record<Policy, typeof enforced | { readonly refusedAs: Reason } | string>>;
export const enforced = Symbol("enforced");

const modelCall: Row = { auth: enforced, rate: enforced, budget: enforced, guardrail: enforced, audit: enforced };
const count: Row = { ...modelCall, budget: "vendors count tokens for nothing" };
const filesCall: Row = { ...modelCall, budget: "vendors keep files for nothing", guardrail: "what is in files is not looked into, as docs/guardrails.md says" };
/** What is in its lines is judged by nobody, so that none is made where somebody would have to. */
const batchCall: Row = { ...modelCall, guardrail: { refusedAs: "GUARDRAIL_UNAVAILABLE" } };
const batchLook: Row = { ...filesCall, budget: "vendors tell of batches for nothing", guardrail: "nobody's words are in it" };
const list: Row = {
  auth: enforced,
  rate: "no vendor is asked",
  budget: "no vendor is asked",
  guardrail: "nobody's words are in it",
  audit: "reads what every caller may know",
};
const management: Row = {
  auth: enforced,
  rate: "limits are for calls of models; who has used them up must still be able to change them",
  budget: "no vendor is asked",
  guardrail: "no model is asked",
  audit: enforced,
};
const internal: Row = { ...management, audit: "nobody can call it" };
const open: Row = { ...list, auth: "is for those who have no key, and says nothing of anyone" };

export interface HttpRow {
  readonly row: Row;
  /** JSON or a form; absent where nothing is sent. The file is one that can be a batch's input. */
  readonly body?: (text: string, fileId: string) => object;
}

const prompt = (text: string): object => ({ model: "up/m", prompt: text, max_tokens: 5 });
const chat = (text: string): object => ({ model: "up/m", max_tokens: 5, messages: [{ role: "user", content: text }] });
/** Of the provider that counts the tokens of any generation. */
const counted = (body: (text: string) => object) => (text: string) => ({ ...body(text), model: "counts/m" });
const contents = (text: string): object => ({ contents: [{ role: "user", parts: [{ text }] }], generationConfig: { maxOutputTokens: 5 } });
const rank = (query: string): object => ({ model: "ranks/m", query, documents: ["a", "b"] });
const streamed = (body: (text: string) => object) => (text: string) => ({ ...body(text), stream: true });

function form(fields: Readonly<Record<string, string>>, file: string, mediaType: string): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  data.set(file, new Blob(["\x89"], { type: mediaType }), "file");
  return data;
}

const gemini: Readonly<Record<string, HttpRow>> = {
  ":generateContent": { row: modelCall, body: contents },
  ":streamGenerateContent": { row: modelCall, body: contents },
  ":embedContent": { row: modelCall, body: (text) => ({ content: { parts: [{ text }] } }) },
  ":batchEmbedContents": { row: modelCall, body: (text) => ({ requests: [{ model: "models/up/m", content: { parts: [{ text }] } }] }) },
  ":countTokens": { row: count, body: contents },
};
const geminiAt = (path: string): Readonly<Record<string, HttpRow>> => Object.fromEntries(Object.entries(gemini).map(([action, row]) => [`gemini POST ${path}/models/{model}${action}`, row]));

/** By dialect, method and path; `{model}` and `{id}` are filled in. A form of stream that the same path has stands behind a space. */
export const httpRows: Readonly<Record<string, HttpRow>> = {
  "openai POST /v1/chat/completions": { row: modelCall, body: chat },
  "openai POST /v1/chat/completions (stream)": { row: modelCall, body: streamed(chat) },
  "openai POST /v1/completions": { row: modelCall, body: prompt },
  "openai POST /v1/embeddings": { row: modelCall, body: (input) => ({ model: "up/m", input }) },
  "openai POST /v1/moderations": { row: modelCall, body: (input) => ({ model: "up/m", input }) },
  "openai POST /v1/images/generations": { row: modelCall, body: (text) => ({ model: "up/m", prompt: text }) },
  "openai POST /v1/images/edits": { row: modelCall, body: (text) => form({ model: "up/m", prompt: text }, "image", "image/png") },
  // It has no prompt, but every field that people write is looked at.
  "openai POST /v1/images/variations": { row: modelCall, body: (user) => form({ model: "up/m", user }, "image", "image/png") },
  "openai POST /v1/audio/speech": { row: modelCall, body: (input) => ({ model: "up/m", voice: "alloy", input }) },
  "openai POST /v1/audio/transcriptions": { row: modelCall, body: (text) => form({ model: "up/m", prompt: text }, "file", "audio/wav") },
  "openai POST /v1/audio/translations": { row: modelCall, body: (text) => form({ model: "up/m", prompt: text }, "file", "audio/wav") },
  "openai GET /v1/models": { row: list },
  "openai GET /v1/models/{model}": { row: list },
  "openai POST /v1/files": { row: filesCall, body: () => form({ purpose: "user_data" }, "file", "text/plain") },
  "openai GET /v1/files": { row: filesCall },
  "openai GET /v1/files/{id}/content": { row: filesCall },
  "openai GET /v1/files/{id}": { row: filesCall },
  "openai DELETE /v1/files/{id}": { row: filesCall },
  "openai POST /v1/batches": { row: batchCall, body: (_text, fileId) => ({ input_file_id: fileId, endpoint: "/v1/chat/completions", completion_window: "24h" }) },
  "openai GET /v1/batches": { row: batchLook },
  "openai GET /v1/batches/{id}": { row: batchLook },
  "openai POST /v1/batches/{id}/cancel": { row: batchLook },
  "openai-responses POST /v1/responses": { row: modelCall, body: (input) => ({ model: "up/m", input, max_output_tokens: 16 }) },
  "openai-responses POST /v1/responses/input_tokens": { row: count, body: (input) => ({ model: "counts/m", input }) },
  "anthropic POST /v1/messages": { row: modelCall, body: chat },
  "anthropic POST /v1/messages (stream)": { row: modelCall, body: streamed(chat) },
  "anthropic POST /v1/messages/count_tokens": { row: count, body: counted(chat) },
  "anthropic POST /v1/messages/batches": { row: batchCall, body: (text) => ({ requests: [{ custom_id: "a", params: { ...chat(text), model: "counts/m" } }] }) },
  "anthropic GET /v1/messages/batches": { row: batchLook },
  "anthropic POST /v1/messages/batches/{id}/cancel": { row: batchLook },
  "anthropic GET /v1/messages/batches/{id}/results": { row: batchLook },
  "anthropic GET /v1/messages/batches/{id}": { row: batchLook },
  "anthropic DELETE /v1/messages/batches/{id}": { row: batchLook },
  "anthropic POST /v1/files": { row: filesCall, body: () => form({}, "file", "text/plain") },
  "anthropic GET /v1/files": { row: filesCall },
  "anthropic GET /v1/files/{id}/content": { row: filesCall },
  "anthropic GET /v1/files/{id}": { row: filesCall },
  "anthropic DELETE /v1/files/{id}": { row: filesCall },
  "anthropic GET /v1/models": { row: list },
  "anthropic GET /v1/models/{model}": { row: list },
  ...geminiAt("/v1beta"),
  ...geminiAt("/v1"),
  "gemini GET /v1beta/models": { row: list },
  "gemini GET /v1beta/models/{model}": { row: list },
  "gemini GET /v1/models": { row: list },
  "gemini GET /v1/models/{model}": { row: list },
  "ollama POST /api/chat": { row: modelCall, body: (text) => ({ ...chat(text), stream: false, options: { num_predict: 5 } }) },
  "ollama POST /api/generate": { row: modelCall, body: (text) => ({ ...prompt(text), options: { num_predict: 5 } }) },
  "ollama POST /api/embed": { row: modelCall, body: (input) => ({ model: "up/m", input }) },
  "ollama GET /api/tags": { row: list },
  "ollama GET /api/version": { row: list },
  "cohere POST /v2/rerank": { row: modelCall, body: rank },
  "jina POST /v1/rerank": { row: modelCall, body: rank },
};

interface ConsoleRow {
  readonly row: Row;
  /** What who has no key is told; undefined where nobody needs one. */
  readonly withoutKey: Reason | undefined;
}

const attempts = "attempts have a bound of their own";

/** The ways into the console and out of it, by method and path. At an issuer, nobody signs in here. */
export const consoleRows: Readonly<Record<string, ConsoleRow>> = {
  "GET /console/session": { row: { ...list, auth: "says who is signed in, if only nobody" }, withoutKey: undefined },
  "POST /console/session": { row: { ...management, rate: attempts }, withoutKey: "KEY_INVALID" },
  "DELETE /console/session": { row: { ...management, auth: "who has no session has none to end" }, withoutKey: undefined },
  "GET /console/sign-in": { row: { ...list, auth: "leads to where people say who they are", rate: attempts }, withoutKey: "INVALID_REQUEST" },
  "GET /console/callback": { row: { ...management, rate: attempts }, withoutKey: "INVALID_REQUEST" },
};

interface RpcRow {
  readonly row: Row;
  /** The file is one that can be a batch's input. */
  readonly request: (text: string, fileId: string, batchId: string) => object;
}

const part = (text: string) => ({ parts: [{ kind: { case: "text" as const, value: { text } } }] });
const generation = (text: string) => ({ generation: { model: "up/m", maxOutputTokens: 5n, messages: [{ role: Role.USER, ...part(text) }] } });

/** Every RPC by which models are called; the other ones have the row of their rule. */
const inferenceRows: { readonly [Name in keyof typeof InferenceService.method]: { readonly row: Row; readonly request: (text: string, fileId: string, batchId: string) => MessageInitShape<(typeof InferenceService.method)[Name]["input"]> } } = {
  generate: { row: modelCall, request: generation },
  streamGenerate: { row: modelCall, request: generation },
  embed: { row: modelCall, request: (text) => ({ model: "up/m", inputs: [text] }) },
  countTokens: { row: count, request: (text) => ({ generation: { ...generation(text).generation, model: "counts/m" } }) },
  moderate: { row: modelCall, request: (text) => ({ model: "up/m", inputs: [part(text)] }) },
  rerank: { row: modelCall, request: (query) => ({ model: "ranks/m", query, documents: ["a", "b"] }) },
  generateImages: { row: modelCall, request: (text) => ({ model: "up/m", prompt: text }) },
  editImages: { row: modelCall, request: (text) => ({ model: "up/m", prompt: text, images: [{ data: Buffer.of(0x89), mediaType: "image/png" }] }) },
  synthesizeSpeech: { row: modelCall, request: (input) => ({ model: "up/m", voice: "alloy", input }) },
  transcribe: { row: modelCall, request: (text) => ({ model: "up/m", audio: Buffer.of(1), mediaType: "audio/wav", prompt: text }) },
  listModels: { row: list, request: () => ({}) },
  uploadFile: { row: filesCall, request: () => ({ provider: "keeps", filename: "file", purpose: "user_data", content: Buffer.of(1) }) },
  getFile: { row: filesCall, request: (_text, id) => ({ id }) },
  listFiles: { row: filesCall, request: () => ({ provider: "keeps" }) },
  deleteFile: { row: filesCall, request: (_text, id) => ({ id }) },
  readFile: { row: filesCall, request: (_text, id) => ({ id }) },
  createBatch: { row: batchCall, request: (_text, inputFileId) => ({ inputFileId, endpoint: "/v1/chat/completions" }) },
  getBatch: { row: batchLook, request: (_text, _fileId, id) => ({ id }) },
  listBatches: { row: batchLook, request: () => ({ provider: "keeps" }) },
  cancelBatch: { row: batchLook, request: (_text, _fileId, id) => ({ id }) },
};

/** Undefined where somebody must write a row. */
export function rpcRowOf(method: DescMethod): RpcRow | undefined {
  if (method.parent === InferenceService) return (inferenceRows as Readonly<Record<string, RpcRow>>)[method.localName];
  const { typeName } = method.parent;
  const row = openServices.has(typeName) ? open : (publicRows[`${typeName}/${method.name}`] ?? rowsOfManagement[ruleOf(method).exposure]);
  return row && { row, request: () => validRequest(method.input, managementRequests[method.name]) };
}

const openServices: ReadonlySet<string> = new Set(["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]);
/** What callers may do beside calling models. */
const publicRows: Readonly<Record<string, Row>> = { "weir.policy.v1.PolicyService/CreateToken": management };
const rowsOfManagement: Readonly<Partial<Record<Exposure, Row>>> = { [Exposure.ADMIN]: management, [Exposure.INTERNAL]: internal };

/** What the rules of the contract do not tell. */
const managementRequests: Readonly<Record<string, object>> = {
  CreateGuardrail: { rule: { organizationId: "org_none", name: "none", words: ["none"], mode: "shadow" } },
  CreateRateLimit: { rule: { organizationId: "org_none", name: "none", count: "requests", amount: 1_000n, window: "second" } },
  // Of the own key, anybody may ask.
  ExplainDecision: { keyId: "key_none" },
  EraseContent: { organizationId: "org_none" },
  RerateUsage: { startTime: timestampFromMs(0), endTime: timestampFromMs(1_000) },
  TestGuardrail: { rule: { name: "none", words: ["none"], mode: "shadow" } },
};
