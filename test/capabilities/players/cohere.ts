/** Owns Cohere's Chat of version 2 as the vendor would take and answer it (https://docs.cohere.com/reference/chat and …/chat-stream). */
import type { Answer, Asked, Part, Player, Refusal, Tool, Turn } from "../exchange.ts";

interface Content {
  readonly type: string;
  readonly text?: string;
  readonly thinking?: string;
  readonly image_url?: { readonly url: string };
}

interface Message {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content?: string | readonly Content[];
  readonly tool_plan?: string;
  readonly tool_calls?: readonly { readonly id: string; readonly type: string; readonly function: { readonly name: string; readonly arguments: string } }[];
  readonly tool_call_id?: string;
}

interface Body {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly stream?: boolean;
  readonly tools?: readonly { readonly type: string; readonly function: Tool }[];
  readonly tool_choice?: "REQUIRED" | "NONE";
  readonly strict_tools?: boolean;
  readonly response_format?: { readonly type: string; readonly json_schema?: { readonly type?: string; readonly required?: readonly string[] } };
  readonly max_tokens?: number;
  readonly stop_sequences?: readonly string[];
  readonly temperature?: number;
  readonly seed?: number;
  readonly frequency_penalty?: number;
  readonly presence_penalty?: number;
  readonly k?: number;
  readonly p?: number;
  readonly thinking?: { readonly type: string; readonly token_budget?: number };
}

const model = "command-a-plus-05-2026";
const fields = ["model", "messages", "stream", "tools", "tool_choice", "strict_tools", "response_format", "max_tokens", "stop_sequences", "temperature", "seed", "frequency_penalty", "presence_penalty", "k", "p", "thinking"];

export const coherePlayer: Player = {
  vendor: "cohere",
  native: [],
  basePath: "/v2",
  apiKey: "cohere-key",
  sayable(answer) {
    // No reason to finish is a filter's, and no count is of reasoning: ChatFinishReason and Usage in https://github.com/cohere-ai/cohere-typescript.
    if (answer.finish === "refused" || answer.usage.reasoning > 0) return undefined;
    return answer.reasoning === undefined ? answer : { ...answer, reasoning: { text: answer.reasoning.text, signature: "" } };
  },
  read({ path, headers, body }, stream) {
    if (path !== "/v2/chat") throw new Error(`no such path: ${path}`);
    if (headers["authorization"] !== "Bearer cohere-key") throw new Error("no key");
    const request = JSON.parse(body.toString()) as Body;
    if (request.model !== model) throw new Error(`model '${request.model}' not found`);
    if (stream !== (request.stream === true)) throw new Error("stream is not what was asked");
    const other = Object.keys(request).find((name) => !fields.includes(name));
    if (other !== undefined) throw new Error(`unknown field: parameter '${other}' is not a valid field`);
    refuseOutOfRange(request);
    refuseTools(request);
    refuseMessages(request.messages);
    return readBody(request);
  },
  write(answer, stream) {
    return stream ? { contentType: "text/event-stream", pieces: streamOf(answer) } : { contentType: "application/json", pieces: [JSON.stringify(wholeOf(answer))] };
  },
  breakOff: () => `event: message-end\ndata: ${JSON.stringify({ type: "message-end", delta: { finish_reason: "ERROR", error: "internal" } })}\n\n`,
  refuse: ({ status, retryAfterSeconds }: Refusal) => ({
    headers: { "content-type": "application/json", ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }) },
    body: JSON.stringify({ id: "err_1", message: `refused with ${status}` }),
  }),
};

function refuse(problem: string, isThere: boolean): void {
  if (isThere) throw new Error(problem);
}

/** Sources: the reference, and the messages in https://docs.cohere.com/reference/errors. */
function refuseOutOfRange(request: Body): void {
  const isOutside = (value: number | undefined, least: number, most: number): boolean => value !== undefined && (value < least || value > most);
  refuse("temperature must be between 0 and 1.0 inclusive.", isOutside(request.temperature, 0, 1));
  refuse("p must be between 0.01 and 0.99", isOutside(request.p, 0.01, 0.99));
  refuse("k must be between 0 and 500", isOutside(request.k, 0, 500));
  refuse("presence_penalty must be between 0 and 1 inclusive.", isOutside(request.presence_penalty, 0, 1));
  refuse("frequency_penalty must be between 0 and 1 inclusive.", isOutside(request.frequency_penalty, 0, 1));
  refuse("cannot specify both frequency_penalty and presence_penalty.", (request.frequency_penalty ?? 0) !== 0 && (request.presence_penalty ?? 0) !== 0);
  refuse("up to 5 stop_sequences", (request.stop_sequences?.length ?? 0) > 5);
  refuse("thinking is enabled or disabled", ![undefined, "enabled", "disabled"].includes(request.thinking?.type));
  refuse("token_budget must be positive", (request.thinking?.token_budget ?? 1) < 1);
  const { response_format: format } = request;
  refuse("response_format is text or json_object", ![undefined, "text", "json_object"].includes(format?.type));
  // https://docs.cohere.com/docs/structured-outputs
  refuse("schema must be an object with at least one required field", format?.json_schema !== undefined && (format.json_schema.type !== "object" || (format.json_schema.required ?? []).length === 0));
}

function refuseTools({ tools, tool_choice: choice, response_format: format }: Body): void {
  refuse("tools must not be empty", tools?.length === 0);
  refuse("tool_choice is REQUIRED or NONE", ![undefined, "REQUIRED", "NONE"].includes(choice));
  refuse("tool_choice needs tools", choice !== undefined && tools === undefined);
  refuse("response_format is not supported with tools", format?.type === "json_object" && tools !== undefined);
  for (const { type, function: called } of tools ?? []) {
    refuse("a tool must be of type function, with parameters", type !== "function" || typeof called.parameters !== "object");
    refuse("tool names can only contain certain characters (A-Za-z0-9_) and can't begin with a digit", !/^[A-Za-z_][A-Za-z0-9_]*$/.test(called.name));
  }
}

/** Each call is answered right behind the message that makes it, and each message says something. */
function refuseMessages(messages: readonly Message[]): void {
  let open = new Set<string>();
  refuse("the last message is the user's or a tool's", !["user", "tool"].includes(messages.at(-1)?.role ?? ""));
  for (const message of messages) {
    const { role, tool_calls: calls = [], tool_call_id: id } = message;
    const types = contentOf(message).map(({ type }) => type);
    refuse(`content of ${role} cannot be ${types.join(", ")}`, types.some((type) => !contentTypes[role].includes(type)));
    refuse("message must not be empty in a turn", types.length === 0 && calls.length === 0);
    refuse("tool call must be of type function", calls.some(({ type }) => type !== "function"));
    refuse("tool_plan and tool_calls are the assistant's", role !== "assistant" && (calls.length > 0 || message.tool_plan !== undefined));
    if (role === "tool") {
      refuse("tool call id not found in previous tool calls", !open.delete(id ?? ""));
      continue;
    }
    refuse("a tool call has no result", open.size > 0);
    open = new Set(calls.map((call) => call.id));
    refuse("cannot have duplicate tool ids", open.size < calls.length);
  }
  refuse("a tool call has no result", open.size > 0);
}

const contentTypes: Readonly<Record<Message["role"], readonly string[]>> = { system: ["text"], user: ["text", "image_url"], assistant: ["text", "thinking"], tool: ["text", "document"] };

function contentOf({ content = [] }: Message): readonly Content[] {
  if (typeof content !== "string") return content;
  return content === "" ? [] : [{ type: "text", text: content }];
}

function readBody(request: Body): Asked {
  const system = request.messages.filter(({ role }) => role === "system").flatMap((message) => contentOf(message).map(({ text }) => text));
  const { tool_choice: choice } = request;
  return {
    ...(system.length === 0 ? {} : { system: system.join("\n") }),
    turns: readTurns(request.messages.filter(({ role }) => role !== "system")),
    ...(request.tools === undefined ? {} : { tools: request.tools.map(({ function: { name, description, parameters } }) => ({ name, description, parameters })) }),
    ...(choice === undefined ? {} : { toolChoice: choice === "NONE" ? "none" : "required" }),
    ...defined("outputMaximum", request.max_tokens),
    ...defined("temperature", request.temperature),
    ...defined("topP", request.p),
    ...defined("topK", request.k),
    ...defined("seed", request.seed),
    ...defined("stop", request.stop_sequences),
    ...defined("presencePenalty", request.presence_penalty),
    ...defined("frequencyPenalty", request.frequency_penalty),
    ...defined("jsonSchema", request.response_format?.json_schema),
    ...defined("reasoningTokens", request.thinking?.token_budget),
  };
}

/** Results of one turn stand in messages of their own here. */
function readTurns(messages: readonly Message[]): Turn[] {
  const turns: { role: "user" | "assistant"; parts: Part[] }[] = [];
  for (const message of messages) {
    const role = message.role === "assistant" ? "assistant" : "user";
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...readMessage(message));
    else turns.push({ role, parts: readMessage(message) });
  }
  return turns;
}

function readMessage(message: Message): Part[] {
  if (message.role === "tool") return [{ result: { id: message.tool_call_id!, text: contentOf(message).map(({ text }) => text).join("") } }];
  return [
    ...contentOf(message).map(({ text, thinking, image_url: image }): Part => (image !== undefined ? { image: image.url } : thinking !== undefined ? { reasoning: thinking, signature: "" } : { text: text! })),
    ...(message.tool_plan === undefined ? [] : [{ text: message.tool_plan }]),
    ...(message.tool_calls ?? []).map(({ id, function: called }) => ({ call: { id, name: called.name, input: JSON.parse(called.arguments) as object } })),
  ];
}

function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

const finishWords = { stop: "COMPLETE", length: "MAX_TOKENS", calls: "TOOL_CALL" } as const;

/** What Cohere puts around the prompt on its own: it counts among the tokens, is cached like the rest, and is not billed. */
const ownTokens = 495;

function endOf({ finish, usage }: Answer): object {
  return {
    finish_reason: finishWords[finish as keyof typeof finishWords],
    usage: {
      billed_units: { input_tokens: usage.input, output_tokens: usage.output },
      tokens: { input_tokens: ownTokens + usage.input, output_tokens: usage.output + 3 },
      cached_tokens: usage.cached === 0 ? 0 : ownTokens + usage.cached,
    },
  };
}

/** What is said beside calls is their plan. */
function messageOf({ reasoning, text, calls }: Answer): { readonly content: readonly Content[]; readonly plan?: string; readonly calls: NonNullable<Message["tool_calls"]> } {
  return {
    content: [...(reasoning === undefined ? [] : [{ type: "thinking", thinking: reasoning.text }]), ...(text === undefined || calls !== undefined ? [] : [{ type: "text", text }])],
    ...(text === undefined || calls === undefined ? {} : { plan: text }),
    calls: (calls ?? []).map(({ id, name, input }) => ({ id, type: "function", function: { name, arguments: JSON.stringify(input) } })),
  };
}

function wholeOf(answer: Answer): object {
  const { content, plan, calls } = messageOf(answer);
  return {
    id: "c14c80c3",
    message: { role: "assistant", ...(content.length === 0 ? {} : { content }), ...(plan === undefined ? {} : { tool_plan: plan }), ...(calls.length === 0 ? {} : { tool_calls: calls }) },
    ...endOf(answer),
  };
}

/** Source: https://docs.cohere.com/docs/streaming and V2ChatStreamResponse in https://github.com/cohere-ai/cohere-typescript. */
function streamOf(answer: Answer): string[] {
  const { content, plan = "", calls } = messageOf(answer);
  const event = (type: string, message: object, index?: number) => ({ type, ...(index === undefined ? {} : { index }), delta: { message } });
  const events = [
    { id: "c14c80c3", ...event("message-start", { role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] }) },
    ...content.flatMap(({ type, text, thinking }, index) => {
      const member = thinking === undefined ? "text" : "thinking";
      return [
        event("content-start", { content: { type, [member]: "" } }, index),
        ...halvesOf(thinking ?? text!).map((piece) => event("content-delta", { content: { [member]: piece } }, index)),
        { type: "content-end", index },
      ];
    }),
    ...halvesOf(plan).map((piece) => event("tool-plan-delta", { tool_plan: piece })),
    ...calls.flatMap(({ id, type, function: called }, index) => [
      event("tool-call-start", { tool_calls: { id, type, function: { name: called.name, arguments: "" } } }, index),
      ...halvesOf(called.arguments).map((piece) => event("tool-call-delta", { tool_calls: { function: { arguments: piece } } }, index)),
      { type: "tool-call-end", index },
    ]),
    { type: "message-end", delta: endOf(answer) },
  ];
  return events.map((one) => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`);
}

function halvesOf(text: string): string[] {
  const half = Math.ceil(text.length / 2);
  return [text.slice(0, half), text.slice(half)].filter((piece) => piece !== "");
}
