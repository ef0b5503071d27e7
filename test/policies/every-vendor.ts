/** Owns an upstream that answers every operation that Weir has, as briefly as its vendors do. */
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";

const usage = { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4, input_tokens: 3, output_tokens: 1 };
const chunk = (rest: object): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...rest })}\n\n`;
const chatStream = [chunk({ choices: [{ index: 0, delta: { role: "assistant", content: "drop" }, finish_reason: "stop" }] }), chunk({ choices: [], usage }), "data: [DONE]\n\n"];
const choices = [{ index: 0, finish_reason: "stop", text: "drop", message: { role: "assistant", content: "drop" } }];
const batch = { id: "batch-1", object: "batch", status: "in_progress", input_file_id: "file-1", endpoint: "/v1/chat/completions" };
const messageBatch = (number: number): object => ({ id: `msgbatch_${number}`, type: "message_batch", processing_status: "ended", request_counts: { succeeded: 0 }, created_at: "2026-11-22T00:00:00Z" });
const line = { custom_id: "a", method: "POST", url: "/v1/chat/completions", body: { model: "m", messages: [{ role: "user", content: "Hi" }], max_completion_tokens: 5 } };
const file = { id: "file-1", object: "file", bytes: 1, created_at: 1, filename: "file", purpose: "user_data" };

/** By the path behind the version. */
const replies: Readonly<Record<string, object>> = {
  "/chat/completions": { id: "c", object: "chat.completion", created: 1, model: "m", choices, usage },
  "/completions": { id: "c", object: "text_completion", created: 1, model: "m", choices, usage },
  "/embeddings": { object: "list", model: "m", data: [{ object: "embedding", index: 0, embedding: [0.5] }], usage },
  "/moderations": { id: "m", model: "m", results: [{ flagged: false, categories: {}, category_scores: {} }] },
  "/images/generations": { created: 1, data: [{ b64_json: "AQ==" }], usage },
  "/images/edits": { created: 1, data: [{ b64_json: "AQ==" }], usage },
  "/images/variations": { created: 1, data: [{ b64_json: "AQ==" }] },
  "/audio/transcriptions": { text: "drop" },
  "/audio/translations": { text: "drop" },
  "/messages/count_tokens": { input_tokens: 3 },
  "/rerank": { id: "r", results: [{ index: 1, relevance_score: 0.9 }, { index: 0, relevance_score: 0.2 }], meta: { billed_units: { search_units: 1 } } },
};

/** Each batch of messages is another one: Weir tells them apart by their ids. */
let messageBatches = 0;

const answer: Answer = (request, response) => {
  const path = new URL(request.path, "http://vendor").pathname.slice("/v1".length);
  if (path === "/audio/speech") return void response.writeHead(200, { "content-type": "audio/mpeg" }).end("sound");
  if (path.endsWith("/content")) return void response.writeHead(200, { "content-type": "application/jsonl" }).end(`${JSON.stringify(line)}\n`);
  if (path.startsWith("/batches")) return json(200, request.method === "GET" && path === "/batches" ? { object: "list", data: [], has_more: false } : batch)(request, response);
  if (path.endsWith("/results")) return void response.writeHead(200, { "content-type": "application/x-jsonl" }).end(`${JSON.stringify({ custom_id: "a", result: { type: "canceled" } })}\n`);
  if (path === "/messages/batches") return json(200, request.method === "POST" ? messageBatch(++messageBatches) : { data: [], has_more: false })(request, response);
  if (path.startsWith("/messages/batches/")) return json(200, messageBatch(Number(/\d+/.exec(path))))(request, response);
  if (path.startsWith("/files")) return json(200, request.method === "GET" && path === "/files" ? { object: "list", data: [file], has_more: false } : file)(request, response);
  const isStream = path === "/chat/completions" && (JSON.parse(request.body.toString()) as { stream?: boolean }).stream === true;
  return (isStream ? eventStream(chatStream) : json(replies[path] === undefined ? 404 : 200, replies[path] ?? {}))(request, response);
};

export function startEveryVendor(): Promise<ScriptedProvider> {
  return startScriptedProvider(answer);
}
