/** Owns what the demo says: plainly a demo, always the same for the same question, with usage and a tool call when asked for, and never longer than it may be. */
import { createHash } from "node:crypto";
import { demoMaximumOutputTokens } from "../../domain/catalogue.ts";
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
  /** The most it answers. */
  readonly maximumTokens: number;
  readonly id: string;
}

type Json = { readonly [key: string]: unknown };

export function readChatRequest(body: Json): ChatRequest {
  const { model, messages } = body;
  if (typeof model !== "string") throw new GatewayError("INVALID_REQUEST", "`model` is missing.");
  if (!Array.isArray(messages) || messages.length === 0) throw new GatewayError("INVALID_REQUEST", "`messages` is missing.");
  const last = messages.at(-1) as Json;
  const question = textOf(last["content"]);
  const maximumTokens = readMaximumTokens(body["max_completion_tokens"] ?? body["max_tokens"]);
  const tool = last["role"] === "user" ? toolAskedFor(body["tools"], body["tool_choice"], question) : undefined;
  return {
    model,
    stream: body["stream"] === true,
    includeUsage: (body["stream_options"] as Json | undefined)?.["include_usage"] === true,
    question,
    promptBytes: messages.reduce((sum: number, message: Json) => sum + Buffer.byteLength(textOf(message["content"])), 0),
    // Half a call is none.
    tool: tool !== undefined && tokens(callText(tool)) <= maximumTokens ? tool : undefined,
    maximumTokens,
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

function callText(tool: string): string {
  return tool + toolArguments;
}

function answerTo({ question, maximumTokens }: ChatRequest): string {
  const whole = wholeAnswerTo(question);
  if (tokens(whole) <= maximumTokens) return whole;
  // A character whose bytes do not all fit is left out.
  return new TextDecoder().decode(Buffer.from(whole).subarray(0, maximumTokens * bytesPerToken), { stream: true });
}

function wholeAnswerTo(question: string): string {
  return `This is Weir's built-in demo, not a model. You said: ${question}`;
}

function finishReason({ tool, question, maximumTokens }: ChatRequest): string {
  if (tool !== undefined) return "tool_calls";
  return tokens(wholeAnswerTo(question)) <= maximumTokens ? "stop" : "length";
}

function readMaximumTokens(asked: unknown): number {
  if (asked === undefined || asked === null) return demoMaximumOutputTokens;
  if (!Number.isInteger(asked) || (asked as number) < 1) throw new GatewayError("INVALID_REQUEST", "`max_completion_tokens` (or `max_tokens`) must be a whole number, 1 or more.");
  return Math.min(asked as number, demoMaximumOutputTokens);
}

function toolCallId({ id }: ChatRequest): string {
  return id.replace("chatcmpl-", "call_");
}

function usageOf(chat: ChatRequest): Json {
  const prompt = tokensOf(chat.promptBytes);
  const completion = tokens(chat.tool === undefined ? answerTo(chat) : callText(chat.tool));
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

const bytesPerToken = 4;

function tokens(text: string): number {
  return tokensOf(Buffer.byteLength(text));
}

function tokensOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / bytesPerToken));
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
