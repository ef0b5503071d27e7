/**
 * Owns Mistral's chat completions as the vendor would take and answer them: the members are those of ChatCompletionRequest in
 * https://github.com/mistralai/client-python, the order of messages and the form of ids those of MistralRequestValidatorV13 in
 * https://github.com/mistralai/mistral-common.
 */
import type { Answer, Asked, Part, Player, Refusal, Tool, Turn } from "../exchange.ts";

interface Chunk {
  readonly type: string;
  readonly text?: string;
  readonly image_url?: string | { readonly url: string };
  readonly document_url?: string;
  readonly thinking?: readonly { readonly type: "text"; readonly text: string }[];
  readonly signature?: string;
}

interface ToolCall {
  readonly id: string;
  readonly function: { readonly name: string; readonly arguments: string };
}

interface Message {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content?: string | readonly Chunk[] | null;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
  readonly prefix?: boolean;
}

interface Body {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly stream?: boolean;
  readonly tools?: readonly { readonly function: Tool }[];
  readonly tool_choice?: string | { readonly function: { readonly name: string } };
  readonly parallel_tool_calls?: boolean;
  readonly response_format?: { readonly json_schema?: { readonly name: string; readonly schema: object } };
  readonly max_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly random_seed?: number;
  readonly stop?: readonly string[];
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly reasoning_effort?: "low" | "high";
}

const membersOfRequest = new Set(
  "model messages temperature top_p max_tokens stream stop random_seed metadata response_format tools tool_choice presence_penalty frequency_penalty n prediction parallel_tool_calls reasoning_effort prompt_mode guardrails prompt_cache_key safe_prompt".split(" "),
);
const membersOfMessage: Readonly<Record<Message["role"], ReadonlySet<string>>> = {
  system: new Set(["role", "content"]),
  user: new Set(["role", "content"]),
  assistant: new Set(["role", "content", "tool_calls", "prefix"]),
  tool: new Set(["role", "content", "tool_call_id", "name"]),
};
const model = "mistral-large-4-0";

export const mistralPlayer: Player = {
  vendor: "mistral",
  native: [],
  basePath: "/v1",
  apiKey: "mistral-key",
  renamesCalls: true,
  // It counts no reasoning of its own, and knows no filter that ends a reply.
  sayable: (answer) => (answer.finish === "refused" || answer.usage.reasoning > 0 ? undefined : answer),
  read({ path, headers, body }, stream) {
    if (path !== "/v1/chat/completions") throw new Error(`no such path: ${path}`);
    if (headers["authorization"] !== "Bearer mistral-key") throw new Error("no key");
    const request = JSON.parse(body.toString()) as Body;
    if (request.model !== model) throw new Error(`no such model: ${request.model}`);
    if (stream !== (request.stream === true)) throw new Error("stream is not what was asked");
    refuseUnknown(request, membersOfRequest, "body");
    refuseMalformed(request);
    return readBody(request);
  },
  write: (answer, stream) => (stream ? { contentType: "text/event-stream", pieces: streamOf(answer) } : { contentType: "application/json", pieces: [JSON.stringify(wholeOf(answer))] }),
  // Mistral documents none; this is the one of the servers whose API it speaks.
  breakOff: () => `data: ${JSON.stringify({ error: { message: "The server had an error", type: "server_error", code: "1000" } })}\n\n`,
  refuse: ({ status, retryAfterSeconds }: Refusal) => ({
    headers: { "content-type": "application/json", "mistral-correlation-id": "019b98cb", ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }) },
    body: JSON.stringify(status === 401 ? { detail: "Unauthorized" } : { object: "error", message: `refused with ${status}`, type: "invalid_request_error", param: null, code: "3000", raw_status_code: status }),
  }),
};

function refuseUnknown(owner: object, known: ReadonlySet<string>, place: string): void {
  for (const name of Object.keys(owner)) if (!known.has(name)) throw new Error(`422 extra_forbidden: ${place}.${name}`);
}

const expectedAfter: Readonly<Record<Message["role"], readonly Message["role"][]>> = {
  system: ["user", "assistant", "system"],
  user: ["assistant", "system", "user"],
  assistant: ["assistant", "user", "tool"],
  tool: ["assistant", "tool", "user"],
};

function refuseMalformed({ messages, tools = [], tool_choice: choice }: Body): void {
  messages.forEach((message, index) => {
    refuseUnknown(message, membersOfMessage[message.role], `body.messages[${index}]`);
    const previous = messages[index - 1]?.role;
    if (previous !== undefined && !expectedAfter[previous].includes(message.role)) throw new Error(`Unexpected role '${message.role}' after role '${previous}'`);
    if (message.role === "assistant" && (message.content ?? "").length === 0 && message.tool_calls === undefined) throw new Error("Assistant message must have either content or tool_calls, but not none");
    if (typeof message.content === "string") return;
    for (const { type } of message.content ?? []) if (!["text", "image_url", "document_url", "thinking"].includes(type)) throw new Error(`Unexpected content chunk: ${type}`);
  });
  const last = messages.at(-1)!;
  if (last.role !== "user" && last.role !== "tool" && last.prefix !== true) throw new Error("Expected last role User or Tool (or Assistant with prefix True)");
  refuseUnpaired(messages);
  for (const { function: defined } of tools) if (!/^[a-zA-Z0-9_-]{1,64}$/.test(defined.name) || typeof defined.parameters !== "object") throw new Error(`bad function: ${defined.name}`);
  if (typeof choice === "string" && !["auto", "none", "any", "required"].includes(choice)) throw new Error(`no such tool choice: ${choice}`);
}

function refuseUnpaired(messages: readonly Message[]): void {
  let open = new Set<string>();
  for (const { role, tool_calls: calls = [], tool_call_id: result } of messages) {
    if (role === "tool" && !open.delete(result!)) throw new Error(`Unexpected tool call id ${result} in tool results`);
    if (role !== "assistant") continue;
    if (open.size > 0) throw new Error("Not the same number of function calls and responses");
    for (const { id } of calls) if (!/^[a-zA-Z0-9]{9}$/.test(id)) throw new Error(`Tool call id was ${id} but must be a-z, A-Z, 0-9, with a length of 9`);
    open = new Set(calls.map(({ id }) => id));
    if (open.size !== calls.length) throw new Error("Duplicate tool call id");
  }
  if (open.size > 0) throw new Error("Not the same number of function calls and responses");
}

function readBody(request: Body): Asked {
  const system = request.messages.filter(({ role }) => role === "system").map((message) => textOf(message));
  const choice = request.tool_choice;
  return {
    ...(system.length === 0 ? {} : { system: system.join("\n") }),
    turns: readTurns(request.messages.filter(({ role }) => role !== "system")),
    ...(request.tools === undefined ? {} : { tools: request.tools.map(({ function: { name, description, parameters } }) => ({ name, description, parameters })) }),
    ...(choice === undefined || choice === "auto" ? {} : { toolChoice: typeof choice === "object" ? { name: choice.function.name } : choice === "none" ? "none" : "required" }),
    ...(request.parallel_tool_calls === false ? { oneCallAtATime: true as const } : {}),
    ...defined("outputMaximum", request.max_tokens),
    ...defined("temperature", request.temperature),
    ...defined("topP", request.top_p),
    ...defined("seed", request.random_seed),
    ...defined("stop", request.stop),
    ...defined("presencePenalty", request.presence_penalty),
    ...defined("frequencyPenalty", request.frequency_penalty),
    ...defined("jsonSchema", request.response_format?.json_schema?.schema),
    ...defined("effort", request.reasoning_effort),
  };
}

/** Results of one turn stand in messages of their own here. */
function readTurns(messages: readonly Message[]): Turn[] {
  const turns: { role: Turn["role"]; parts: Part[] }[] = [];
  for (const message of messages) {
    const role = message.role === "assistant" ? "assistant" : "user";
    const parts: Part[] = message.role === "tool" ? [{ result: { id: message.tool_call_id!, text: textOf(message) } }] : partsOf(message);
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts });
  }
  return turns;
}

function chunksOf({ content }: Message): readonly Chunk[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : (content ?? []);
}

function textOf(message: Message): string {
  return chunksOf(message).map(({ text = "" }) => text).join("");
}

function partsOf(message: Message): Part[] {
  return [
    ...chunksOf(message).map(readChunk),
    ...(message.tool_calls ?? []).map(({ id, function: called }) => ({ call: { id, name: called.name, input: JSON.parse(called.arguments) as object } })),
  ];
}

function readChunk({ type, text, image_url: image, document_url: document, thinking, signature = "" }: Chunk): Part {
  if (type === "image_url") return { image: typeof image === "string" ? image : image!.url };
  if (type === "document_url") return { document: document! };
  if (type === "thinking") return { reasoning: thinking!.map((piece) => piece.text).join(""), signature };
  return { text: text! };
}

function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

const finishWords = { stop: "stop", length: "length", calls: "tool_calls", refused: "error" } as const;
const head = { id: "a4e29c5b", created: 1_769_088_912, model };

/** As https://docs.mistral.ai/studio-api/conversations/advanced/prompt-caching shows it. */
function usageOf({ usage }: Answer): object {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    ...(usage.cached === 0 ? {} : { prompt_tokens_details: { cached_tokens: usage.cached } }),
  };
}

function thinkingOf(text: string, signature?: string): Chunk {
  return { type: "thinking", thinking: [{ type: "text", text }], ...(signature === undefined ? {} : { signature }) };
}

function callsOf({ calls }: Answer): object {
  return calls === undefined ? {} : { tool_calls: calls.map(({ id, name, input }, index) => ({ id, function: { name, arguments: JSON.stringify(input) }, index })) };
}

function wholeOf(answer: Answer): object {
  const { text = "", reasoning } = answer;
  const content = reasoning === undefined ? text : [thinkingOf(reasoning.text, reasoning.signature), { type: "text", text }];
  return { ...head, object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content, ...callsOf(answer) }, finish_reason: finishWords[answer.finish] }], usage: usageOf(answer) };
}

/** Calls come whole; usage comes with the end, unasked. */
function streamOf(answer: Answer): string[] {
  const chunk = (delta: object, more: object = {}): object => ({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: null, ...more }] });
  const { text = "", reasoning } = answer;
  const half = Math.ceil(text.length / 2);
  const thoughts = reasoning === undefined ? [] : [thinkingOf(reasoning.text.slice(0, 5)), thinkingOf(reasoning.text.slice(5), reasoning.signature)];
  return [
    chunk({ role: "assistant", content: "" }),
    ...thoughts.map((thought) => chunk({ content: [thought] })),
    ...[text.slice(0, half), text.slice(half)].filter((piece) => piece !== "").map((content, index) => chunk({ content: reasoning !== undefined && index === 0 ? [{ type: "text", text: content }] : content })),
    { ...chunk({ content: "", ...callsOf(answer) }, { finish_reason: finishWords[answer.finish] }), usage: usageOf(answer) },
  ]
    .map((event) => `data: ${JSON.stringify(event)}\n\n`)
    .concat("data: [DONE]\n\n");
}
