/** Owns what the demo says: plainly a demo, always the same for the same question, with usage and a tool call when asked for. */
import { createHash } from "node:crypto";
import { GatewayError } from "#platform/errors.ts";

export interface ChatRequest {
  readonly model: string;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** The text of the last message. */
  readonly question: string;
  /** The text of all messages, for the usage. */
  readonly promptBytes: number;
  /** Set when the demo answers by calling this tool. */
  readonly tool: string | undefined;
  readonly id: string;
}

type Json = { readonly [key: string]: unknown };

export function readChatRequest(body: Json): ChatRequest {
  const { model, messages } = body;
  if (typeof model !== "string") throw new GatewayError("INVALID_REQUEST", "`model` is missing.");
  if (!Array.isArray(messages) || messages.length === 0) throw new GatewayError("INVALID_REQUEST", "`messages` is missing.");
  const last = messages.at(-1) as Json;
  const question = textOf(last["content"]);
  return {
    model,
    stream: body["stream"] === true,
    includeUsage: (body["stream_options"] as Json | undefined)?.["include_usage"] === true,
    question,
    promptBytes: messages.reduce((sum: number, message: Json) => sum + Buffer.byteLength(textOf(message["content"])), 0),
    tool: last["role"] === "user" ? toolAskedFor(body["tools"], body["tool_choice"], question) : undefined,
    id: `chatcmpl-demo${createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 16)}`,
  };
}

export function wholeCompletion(chat: ChatRequest, created: number): Json {
  const { tool } = chat;
  const message =
    tool === undefined
      ? { role: "assistant", content: answerTo(chat), refusal: null }
      : { role: "assistant", content: null, refusal: null, tool_calls: [{ id: toolCallId(chat), type: "function", function: { name: tool, arguments: toolArguments } }] };
  return {
    id: chat.id,
    object: "chat.completion",
    created,
    model: chat.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(chat) }],
    usage: usageOf(chat),
  };
}

/** The same word by word. */
export function* completionChunks(chat: ChatRequest, created: number): Generator<Json> {
  const chunk = (delta: Json, finish: string | null = null): Json => ({
    id: chat.id,
    object: "chat.completion.chunk",
    created,
    model: chat.model,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(chat.includeUsage ? { usage: null } : {}),
  });
  const { tool } = chat;
  if (tool === undefined) {
    yield chunk({ role: "assistant", content: "", refusal: null });
    for (const word of answerTo(chat).split(/(?<=\s)/)) yield chunk({ content: word });
  } else {
    const call = { index: 0, id: toolCallId(chat), type: "function", function: { name: tool, arguments: "" } };
    yield chunk({ role: "assistant", content: null, tool_calls: [call] });
    yield chunk({ tool_calls: [{ index: 0, function: { arguments: toolArguments } }] });
  }
  yield chunk({}, finishReason(chat));
  if (chat.includeUsage) yield { ...chunk({}), choices: [], usage: usageOf(chat) };
}

const toolArguments = "{}";

function answerTo({ question }: ChatRequest): string {
  return `This is Weir's built-in demo, not a model. You said: ${question}`;
}

function finishReason({ tool }: ChatRequest): string {
  return tool === undefined ? "stop" : "tool_calls";
}

function toolCallId({ id }: ChatRequest): string {
  return id.replace("chatcmpl-", "call_");
}

function usageOf(chat: ChatRequest): Json {
  const prompt = tokens(chat.promptBytes);
  const completion = tokens(Buffer.byteLength(chat.tool === undefined ? answerTo(chat) : chat.tool + toolArguments));
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

function tokens(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / 4));
}

/** The tool the caller named, or the first one when the question speaks of it or of a tool. */
function toolAskedFor(tools: unknown, choice: unknown, question: string): string | undefined {
  const names = Array.isArray(tools) ? tools.map((tool: Json) => (tool["function"] as Json | undefined)?.["name"]) : [];
  const known = names.filter((name) => typeof name === "string");
  const chosen = ((choice as Json | undefined)?.["function"] as Json | undefined)?.["name"];
  if (choice === "none") return undefined;
  if (typeof chosen === "string") return chosen;
  const named = known.find((name) => question.includes(name));
  const wanted = named !== undefined || choice === "required" || /\btools?\b/i.test(question);
  return wanted ? (named ?? known[0]) : undefined;
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: Json) => (typeof part["text"] === "string" ? part["text"] : "")).join("");
}
