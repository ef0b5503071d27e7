/** Owns Anthropic's messages as the vendor would take and answer them (https://platform.claude.com/docs/en/api/messages). */
import type { Answer, Asked, Part, Player, Refusal, Turn } from "../exchange.ts";

interface Block {
  readonly type: string;
  readonly text?: string;
  readonly source?: { readonly type: string; readonly media_type?: string; readonly data?: string; readonly url?: string };
  readonly id?: string;
  readonly name?: string;
  readonly input?: object;
  readonly tool_use_id?: string;
  readonly content?: string | readonly Block[];
  readonly is_error?: boolean;
  readonly thinking?: string;
  readonly signature?: string;
  readonly cache_control?: object;
}

interface Body {
  readonly model: string;
  readonly max_tokens?: number;
  readonly system?: string | readonly Block[];
  readonly messages: readonly { readonly role: "user" | "assistant"; readonly content: string | readonly Block[] }[];
  readonly stream?: boolean;
  readonly tools?: readonly { readonly name: string; readonly description: string; readonly input_schema: object }[];
  readonly tool_choice?: { readonly type: string; readonly name?: string; readonly disable_parallel_tool_use?: boolean };
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly stop_sequences?: readonly string[];
  readonly thinking?: { readonly type: string; readonly budget_tokens?: number };
  readonly output_config?: { readonly effort?: "low" | "high"; readonly format?: { readonly schema: object } };
  readonly metadata?: { readonly user_id?: string };
}

export const anthropicPlayer: Player = {
  vendor: "anthropic",
  native: ["Anthropic messages"],
  basePath: "/v1",
  apiKey: "sk-ant",
  read({ path, headers, body }, stream) {
    if (path !== "/v1/messages") throw new Error(`no such path: ${path}`);
    if (headers["x-api-key"] !== "sk-ant") throw new Error("no key");
    if (headers["anthropic-version"] !== "2023-06-01") throw new Error("no version");
    const request = JSON.parse(body.toString()) as Body;
    if (request.model !== "claude-opus-4-6") throw new Error(`no such model: ${request.model}`);
    if (stream !== (request.stream === true)) throw new Error("stream is not what was asked");
    refuseMalformed(request);
    refuseContradictions(request);
    return readBody(request);
  },
  write: (answer, stream) => (stream ? { contentType: "text/event-stream", pieces: streamOf(answer) } : { contentType: "application/json", pieces: [JSON.stringify(wholeOf(answer))] }),
  // https://platform.claude.com/docs/en/build-with-claude/streaming#error-events
  breakOff: () => `event: error\ndata: ${JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })}\n\n`,
  refuse: ({ status, retryAfterSeconds }: Refusal) => ({
    headers: { "content-type": "application/json", "request-id": "req_vendor", ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }) },
    body: JSON.stringify({ type: "error", error: { type: errorTypes[status], message: `refused with ${status}` } }),
  }),
};

const errorTypes = { 400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 500: "api_error", 503: "overloaded_error" } as const;

function blocksOf(content: string | readonly Block[]): readonly Block[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** Roles alternate, results stand first in the turn behind their calls, thinking leaves room for the answer. */
function refuseMalformed({ max_tokens: maximum, messages, thinking }: Body): void {
  if (!Number.isInteger(maximum)) throw new Error("max_tokens: Field required");
  if (thinking?.budget_tokens !== undefined && thinking.budget_tokens >= maximum!) throw new Error("max_tokens must be greater than thinking.budget_tokens");
  const question = messages.findLastIndex(({ role, content }) => role === "user" && !blocksOf(content).some(({ type }) => type === "tool_result"));
  const begun = blocksOf(messages[question + 1]?.content ?? [])[0]?.type ?? "thinking";
  if (thinking?.type === "enabled" && !begun.endsWith("thinking")) throw new Error("Expected `thinking` or `redacted_thinking`: a final `assistant` message must start with a thinking block");
  // Claude before Opus 4.8; Claude Code knows these words, and asks again without.
  if (messages.some(({ role }) => (role as string) === "system")) throw new Error("role 'system' is not supported on this model");
  messages.forEach(({ role, content }, index) => {
    if (role !== (index % 2 === 0 ? "user" : "assistant")) throw new Error("roles must alternate");
    const calls = blocksOf(content).filter(({ type }) => type === "tool_use").map(({ id }) => id);
    if (calls.some((id) => !/^[a-zA-Z0-9_-]+$/.test(id ?? ""))) throw new Error("tool_use.id: String should match pattern");
    const next = blocksOf(messages[index + 1]?.content ?? []);
    const results = next.filter(({ type }) => type === "tool_result").map(({ tool_use_id: id }) => id);
    if (calls.some((id) => !results.includes(id))) throw new Error("tool_use ids were found without tool_result blocks immediately after");
    if (next.slice(0, results.length).some(({ type }) => type !== "tool_result")) throw new Error("tool_result blocks must come first");
  });
}

/** Sources: https://platform.claude.com/docs/en/build-with-claude/extended-thinking; and from 4.5 on, temperature and top_p. */
function refuseContradictions({ thinking, temperature, top_p: topP, top_k: topK, tool_choice: choice }: Body): void {
  if (temperature !== undefined && topP !== undefined) throw new Error("temperature and top_p cannot both be specified");
  if (thinking === undefined || thinking.type === "disabled") return;
  if ((temperature ?? 1) !== 1 || topK !== undefined) throw new Error("temperature may only be set to 1, and top_k not at all, when thinking is enabled");
  if (choice?.type === "any" || choice?.type === "tool") throw new Error("Thinking may not be enabled when tool_choice forces tool use.");
}

function readBody(request: Body): Asked {
  const { tool_choice: choice, output_config: output, thinking } = request;
  return {
    ...(request.system === undefined ? {} : { system: blocksOf(request.system).map(({ text }) => text).join("\n") }),
    turns: request.messages.map(({ role, content }): Turn => ({ role, parts: blocksOf(content).map(readBlock) })),
    ...(request.tools === undefined ? {} : { tools: request.tools.map(({ name, description, input_schema: parameters }) => ({ name, description, parameters })) }),
    ...(choice === undefined || choice.type === "auto" ? {} : { toolChoice: choice.type === "tool" ? { name: choice.name! } : choice.type === "any" ? "required" : "none" }),
    ...(choice?.disable_parallel_tool_use === true ? { oneCallAtATime: true as const } : {}),
    ...defined("outputMaximum", request.max_tokens),
    ...defined("temperature", request.temperature),
    ...defined("topP", request.top_p),
    ...defined("topK", request.top_k),
    ...defined("stop", request.stop_sequences),
    ...defined("jsonSchema", output?.format?.schema),
    ...defined("effort", output?.effort),
    ...defined("reasoningTokens", thinking?.budget_tokens),
    ...defined("user", request.metadata?.user_id),
  };
}

function readBlock(block: Block): Part {
  switch (block.type) {
    case "text":
      return { text: block.text!, ...(block.cache_control === undefined ? {} : { isCacheEnd: true as const }) };
    case "image":
      return { image: urlOf(block) };
    case "document":
      return { document: urlOf(block) };
    case "tool_use":
      return { call: { id: block.id!, name: block.name!, input: block.input! } };
    case "thinking":
      return { reasoning: block.thinking!, signature: block.signature! };
    case "tool_result":
      return { result: { id: block.tool_use_id!, text: blocksOf(block.content ?? []).map(({ text }) => text).join(""), ...(block.is_error === true ? { isError: true as const } : {}) } };
    default:
      throw new Error(`no such block: ${block.type}`);
  }
}

function urlOf({ source }: Block): string {
  return source!.type === "url" ? source!.url! : `data:${source!.media_type};base64,${source!.data}`;
}

function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

const stopWords = { stop: "end_turn", length: "max_tokens", calls: "tool_use", refused: "refusal" } as const;
const head = { id: "msg_1", type: "message", role: "assistant", model: "claude-opus-4-6" };

function usageOf({ usage }: Answer): object {
  return {
    input_tokens: usage.input - usage.cached,
    cache_read_input_tokens: usage.cached,
    cache_creation_input_tokens: 0,
    output_tokens: usage.output,
    output_tokens_details: { thinking_tokens: usage.reasoning },
  };
}

function contentOf({ reasoning, text, calls = [] }: Answer): Block[] {
  return [
    ...(reasoning === undefined ? [] : [{ type: "thinking", thinking: reasoning.text, signature: reasoning.signature }]),
    ...(text === undefined ? [] : [{ type: "text", text }]),
    ...calls.map(({ id, name, input }) => ({ type: "tool_use", id, name, input })),
  ];
}

function wholeOf(answer: Answer): object {
  return { ...head, content: contentOf(answer), stop_reason: stopWords[answer.finish], stop_sequence: null, usage: usageOf(answer) };
}

function streamOf(answer: Answer): string[] {
  const events = [
    { type: "message_start", message: { ...head, content: [], stop_reason: null, stop_sequence: null, usage: { ...usageOf(answer), output_tokens: 1 } } },
    { type: "ping" },
    ...contentOf(answer).flatMap((block, index) => [
      { type: "content_block_start", index, content_block: emptyOf(block) },
      ...deltasOf(block).map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index },
    ]),
    { type: "message_delta", delta: { stop_reason: stopWords[answer.finish], stop_sequence: null }, usage: usageOf(answer) },
    { type: "message_stop" },
  ];
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

function emptyOf(block: Block): object {
  if (block.type === "text") return { type: "text", text: "" };
  if (block.type === "thinking") return { type: "thinking", thinking: "", signature: "" };
  return { ...block, input: {} };
}

function deltasOf({ type, text, thinking, signature, input }: Block): object[] {
  if (type === "text") return [text!.slice(0, 3), text!.slice(3)].filter((piece) => piece !== "").map((piece) => ({ type: "text_delta", text: piece }));
  if (type === "thinking") return [{ type: "thinking_delta", thinking }, { type: "signature_delta", signature }];
  const json = JSON.stringify(input);
  return [json.slice(0, 5), json.slice(5)].map((piece) => ({ type: "input_json_delta", partial_json: piece }));
}
