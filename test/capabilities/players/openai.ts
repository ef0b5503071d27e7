/** Owns OpenAI's chat completions as the vendor would take and answer them (https://platform.openai.com/docs/api-reference/chat). */
import type { Answer, Asked, Part, Player, Refusal, Tool, Turn } from "../exchange.ts";

interface Message {
  readonly role: string;
  readonly content?: string | readonly { readonly type: string; readonly text?: string; readonly image_url?: { readonly url: string }; readonly file?: { readonly file_data?: string }; readonly prompt_cache_breakpoint?: object }[] | null;
  readonly tool_calls?: readonly { readonly id: string; readonly function: { readonly name: string; readonly arguments: string } }[];
  readonly tool_call_id?: string;
  /** Not OpenAI's own: servers that show their reasoning take it back so. */
  readonly reasoning_details?: readonly { readonly text?: string; readonly signature?: string }[];
}

interface Body {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly tools?: readonly { readonly function: Tool }[];
  readonly tool_choice?: string | { readonly function: { readonly name: string } };
  readonly parallel_tool_calls?: boolean;
  readonly response_format?: { readonly json_schema?: { readonly schema: object } };
  readonly max_completion_tokens?: number;
  /** The former name of `max_completion_tokens`, which models without reasoning still take. */
  readonly max_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly reasoning_effort?: "low" | "high";
  readonly safety_identifier?: string;
}

export const openaiPlayer: Player = {
  vendor: "openai",
  native: ["OpenAI chat"],
  basePath: "/v1",
  apiKey: "sk-openai",
  read({ path, headers, body }, stream) {
    if (path !== "/v1/chat/completions") throw new Error(`no such path: ${path}`);
    if (headers["authorization"] !== "Bearer sk-openai") throw new Error("no key");
    const request = JSON.parse(body.toString()) as Body;
    if (request.model !== "gpt-test") throw new Error(`no such model: ${request.model}`);
    if (stream !== (request.stream === true)) throw new Error("stream is not what was asked");
    if (stream && request.stream_options?.include_usage !== true) throw new Error("usage was not asked for");
    refuseUnpaired(request.messages);
    return readBody(request);
  },
  write: (answer, stream) => (stream ? { contentType: "text/event-stream", pieces: streamOf(answer) } : { contentType: "application/json", pieces: [JSON.stringify(wholeOf(answer))] }),
  breakOff: () => `data: ${JSON.stringify({ error: { message: "The server had an error", type: "server_error", param: null, code: null } })}\n\n`,
  refuse: ({ status, retryAfterSeconds }: Refusal) => ({
    headers: { "content-type": "application/json", "x-request-id": "req_vendor", ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }) },
    body: JSON.stringify({ error: { message: `refused with ${status}`, type: "invalid_request_error", param: null, code: null } }),
  }),
};

/** Each call must be answered right behind the message that makes it. */
function refuseUnpaired(messages: readonly Message[]): void {
  let open = new Set<string>();
  for (const { role, tool_calls: calls, tool_call_id: id } of messages) {
    if (role === "tool") {
      if (!open.delete(id ?? "")) throw new Error(`no call ${id}`);
      continue;
    }
    if (open.size > 0) throw new Error(`calls without an answer: ${[...open].join(", ")}`);
    if (calls?.some((call) => call.id.length > 40) === true) throw new Error("tool_calls[].id: string too long");
    open = new Set((calls ?? []).map((call) => call.id));
  }
  if (open.size > 0) throw new Error(`calls without an answer: ${[...open].join(", ")}`);
}

function readBody(request: Body): Asked {
  const system = request.messages.filter(({ role }) => role === "system" || role === "developer").map((message) => textOf(message));
  const choice = request.tool_choice;
  return {
    ...(system.length === 0 ? {} : { system: system.join("\n") }),
    turns: readTurns(request.messages.filter(({ role }) => role !== "system" && role !== "developer")),
    ...(request.tools === undefined ? {} : { tools: request.tools.map(({ function: { name, description, parameters } }) => ({ name, description, parameters })) }),
    ...(choice === undefined || choice === "auto" ? {} : { toolChoice: typeof choice === "string" ? (choice as "none") : { name: choice.function.name } }),
    ...(request.parallel_tool_calls === false ? { oneCallAtATime: true as const } : {}),
    ...defined("outputMaximum", request.max_completion_tokens ?? request.max_tokens),
    ...defined("temperature", request.temperature),
    ...defined("topP", request.top_p),
    ...defined("seed", request.seed),
    ...defined("stop", request.stop),
    ...defined("presencePenalty", request.presence_penalty),
    ...defined("frequencyPenalty", request.frequency_penalty),
    ...defined("jsonSchema", request.response_format?.json_schema?.schema),
    ...defined("effort", request.reasoning_effort),
    ...defined("user", request.safety_identifier),
  };
}

/** Results of one turn stand in messages of their own here. */
function readTurns(messages: readonly Message[]): Turn[] {
  const turns: { role: "user" | "assistant"; parts: Part[] }[] = [];
  for (const message of messages) {
    const role = message.role === "assistant" ? "assistant" : "user";
    const parts: Part[] = message.role === "tool" ? [{ result: { id: message.tool_call_id!, text: textOf(message) } }] : partsOf(message);
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts });
  }
  return turns;
}

function partsOf({ content, tool_calls: calls, reasoning_details: details }: Message): Part[] {
  // Beside calls an empty content is as good as none.
  const said: Exclude<Message["content"], string | null | undefined> = typeof content !== "string" ? (content ?? []) : content === "" ? [] : [{ type: "text", text: content }];
  return [
    ...(details ?? []).map(({ text, signature }) => ({ reasoning: text ?? "", signature: signature ?? "" })),
    ...said.map((part): Part => {
      if (part.type === "text") return { text: part.text!, ...("prompt_cache_breakpoint" in part || "cache_control" in part ? { isCacheEnd: true as const } : {}) };
      if (part.type === "image_url") return { image: part.image_url!.url };
      return { document: part.file!.file_data! };
    }),
    ...(calls ?? []).map(({ id, function: called }) => ({ call: { id, name: called.name, input: JSON.parse(called.arguments) as object } })),
  ];
}

function textOf({ content }: Message): string {
  return typeof content === "string" ? content : (content ?? []).map(({ text }) => text ?? "").join("");
}

function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

const finishWords = { stop: "stop", length: "length", calls: "tool_calls", refused: "content_filter" } as const;
const head = { id: "chatcmpl-1", created: 1_700_000_000, model: "gpt-test" };

function usageOf({ usage }: Answer): object {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}

function messageOf({ text, calls, reasoning }: Answer): object {
  return {
    role: "assistant",
    content: text ?? null,
    // OpenAI shows no reasoning; servers that speak its API do so.
    ...(reasoning === undefined ? {} : { reasoning_details: [{ type: "reasoning.text", text: reasoning.text, signature: reasoning.signature, index: 0 }] }),
    ...(calls === undefined ? {} : { tool_calls: calls.map(({ id, name, input }) => ({ id, type: "function", function: { name, arguments: JSON.stringify(input) } })) }),
  };
}

function wholeOf(answer: Answer): object {
  return { ...head, object: "chat.completion", choices: [{ index: 0, message: messageOf(answer), finish_reason: finishWords[answer.finish] }], usage: usageOf(answer) };
}

function streamOf(answer: Answer): string[] {
  const chunk = (delta: object, finish: string | null = null): object => ({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }], usage: null });
  const { text = "", calls = [], reasoning } = answer;
  const half = Math.ceil(text.length / 2);
  return [
    chunk({ role: "assistant", content: "" }),
    ...(reasoning === undefined ? [] : [chunk({ reasoning_details: [{ type: "reasoning.text", text: reasoning.text, index: 0 }] }), chunk({ reasoning_details: [{ type: "reasoning.text", signature: reasoning.signature, index: 0 }] })]),
    ...[text.slice(0, half), text.slice(half)].filter((piece) => piece !== "").map((content) => chunk({ content })),
    ...calls.flatMap(({ id, name, input }, index) => {
      const json = JSON.stringify(input);
      return [
        chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
        chunk({ tool_calls: [{ index, function: { arguments: json.slice(0, 5) } }] }),
        chunk({ tool_calls: [{ index, function: { arguments: json.slice(5) } }] }),
      ];
    }),
    chunk({}, finishWords[answer.finish]),
    { ...head, object: "chat.completion.chunk", choices: [], usage: usageOf(answer) },
  ]
    .map((event) => `data: ${JSON.stringify(event)}\n\n`)
    .concat("data: [DONE]\n\n");
}
