/** Owns Ollama's chat as the server would take and answer it: api/types.go and ChatHandler of server/routes.go in https://github.com/ollama/ollama. */
import type { Answer, Asked, Part, Player, Refusal, Tool, Turn } from "../exchange.ts";

interface ToolCall {
  readonly id?: string;
  readonly function: { readonly name: string; readonly arguments: object };
}

interface Message {
  readonly role: string;
  readonly content?: string;
  readonly thinking?: string;
  readonly images?: readonly string[];
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_name?: string;
  readonly tool_call_id?: string;
}

interface Body {
  readonly model: string;
  readonly messages: readonly Message[];
  readonly stream?: boolean;
  readonly format?: unknown;
  readonly tools?: readonly { readonly type: string; readonly function: Tool }[];
  readonly think?: unknown;
  readonly options?: Readonly<Record<string, unknown>>;
}

const model = "qwen3:8b";

export const ollamaPlayer: Player = {
  vendor: "ollama",
  native: ["Ollama"],
  basePath: "",
  // Its models choose among their tools: what is to be called by none is not shown to them.
  expected: ({ tools, toolChoice, ...rest }) => (toolChoice === "none" ? rest : { ...rest, ...defined("tools", tools), ...defined("toolChoice", toolChoice) }),
  sayable(answer) {
    // It tells neither a refusal nor which tokens were cached or thought.
    if (answer.finish === "refused" || answer.usage.cached > 0 || answer.usage.reasoning > 0) return undefined;
    return answer.reasoning === undefined ? answer : { ...answer, reasoning: { text: answer.reasoning.text, signature: "" } };
  },
  read({ path, body }, stream) {
    if (path !== "/api/chat") throw new Error(`no such path: ${path}`);
    const request = JSON.parse(body.toString()) as Body;
    if (request.model !== model) throw new Error(`model '${request.model}' not found`);
    if (stream !== (request.stream !== false)) throw new Error("stream is not what was asked");
    request.messages.forEach(refuseMessage);
    refuseOptions(request.options ?? {});
    if (![undefined, true, false, "high", "medium", "low", "max"].includes(request.think as string)) throw new Error(`invalid think value: ${JSON.stringify(request.think)}`);
    if (request.format !== undefined && request.format !== "json" && typeof request.format !== "object") throw new Error("invalid format");
    for (const { function: tool } of request.tools ?? []) if (typeof (tool.parameters as { type?: unknown }).type !== "string") throw new Error(`parameters of ${tool.name} have no type`);
    return readBody(request);
  },
  write: (answer, stream) =>
    stream
      ? { contentType: "application/x-ndjson", pieces: streamOf(answer).map((line) => `${JSON.stringify(line)}\n`) }
      : { contentType: "application/json; charset=utf-8", pieces: [JSON.stringify({ ...head, message: messageOf(answer), ...endOf(answer) })] },
  breakOff: () => `${JSON.stringify({ error: "model runner has unexpectedly stopped" })}\n`,
  refuse: ({ status, retryAfterSeconds }: Refusal) => ({
    headers: { "content-type": "application/json; charset=utf-8", ...(retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) }) },
    body: JSON.stringify({ error: `refused with ${status}` }),
  }),
};

/** What Go would not read into its types, and what no template of a model knows. */
function refuseMessage({ role, content = "", images = [], tool_calls: calls = [], tool_name: toolName }: Message): void {
  if (!["system", "user", "assistant", "tool"].includes(role)) throw new Error(`no such role: ${role}`);
  if (typeof content !== "string") throw new Error("cannot unmarshal array into Go struct field of type string");
  for (const image of images) if (Buffer.from(image, "base64").toString("base64") !== image) throw new Error("illegal base64 data");
  for (const { function: called } of calls) if (typeof called.arguments !== "object") throw new Error("cannot unmarshal string into arguments");
  if (role === "tool" && toolName === undefined) throw new Error("a result of no tool");
}

const integers = new Set(["num_predict", "top_k", "seed"]);
const floats = new Set(["temperature", "top_p", "presence_penalty", "frequency_penalty"]);

function refuseOptions(options: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (integers.has(name) && !Number.isInteger(value)) throw new Error(`option "${name}" must be of type integer`);
    if (floats.has(name) && typeof value !== "number") throw new Error(`option "${name}" must be of type float32`);
    if (name === "stop" && !Array.isArray(value)) throw new Error('option "stop" must be of type array');
    if (!integers.has(name) && !floats.has(name) && name !== "stop") throw new Error(`invalid option provided: ${name}`);
  }
}

function readBody({ messages, tools, think, format, options = {} }: Body): Asked {
  const system = messages.filter(({ role }) => role === "system").map(({ content }) => content);
  return {
    ...(system.length === 0 ? {} : { system: system.join("\n") }),
    turns: readTurns(messages.filter(({ role }) => role !== "system")),
    ...(tools === undefined ? {} : { tools: tools.map(({ function: { name, description, parameters } }) => ({ name, description, parameters })) }),
    ...defined("outputMaximum", options["num_predict"] as number | undefined),
    ...defined("temperature", options["temperature"] as number | undefined),
    ...defined("topP", options["top_p"] as number | undefined),
    ...defined("topK", options["top_k"] as number | undefined),
    ...defined("seed", options["seed"] as number | undefined),
    ...defined("stop", options["stop"] as string[] | undefined),
    ...defined("presencePenalty", options["presence_penalty"] as number | undefined),
    ...defined("frequencyPenalty", options["frequency_penalty"] as number | undefined),
    ...defined("jsonSchema", typeof format === "object" ? (format as object) : undefined),
    ...defined("effort", typeof think === "string" ? (think as "low" | "high") : undefined),
  };
}

/** Results of one turn stand in messages of their own here. */
function readTurns(messages: readonly Message[]): Turn[] {
  const turns: { role: Turn["role"]; parts: Part[] }[] = [];
  for (const message of messages) {
    const role = message.role === "assistant" ? "assistant" : "user";
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...partsOf(message));
    else turns.push({ role, parts: partsOf(message) });
  }
  return turns;
}

function partsOf({ role, content = "", thinking, images = [], tool_calls: calls = [], tool_call_id: callId }: Message): Part[] {
  if (role === "tool") return [{ result: { id: callId ?? "", text: content } }];
  return [
    ...(thinking === undefined ? [] : [{ reasoning: thinking, signature: "" }]),
    ...(content === "" ? [] : [{ text: content }]),
    ...images.map((image) => ({ image: `data:image/png;base64,${image}` })),
    ...calls.map(({ id = "", function: called }) => ({ call: { id, name: called.name, input: called.arguments } })),
  ];
}

function defined<Name extends string, Value>(name: Name, value: Value | undefined): { readonly [name in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: Value };
}

const head = { model, created_at: "2026-10-26T17:15:24.097767Z" };

function messageOf({ text = "", calls, reasoning }: Answer): object {
  return {
    role: "assistant",
    content: text,
    ...(reasoning === undefined ? {} : { thinking: reasoning.text }),
    ...(calls === undefined ? {} : { tool_calls: calls.map(({ id, name, input }, index) => ({ id, function: { index, name, arguments: input } })) }),
  };
}

/** Ollama has no word for waiting for tools: it stops. */
function endOf({ finish, usage }: Answer): object {
  return {
    done: true,
    done_reason: finish === "length" ? "length" : "stop",
    total_duration: 174_560_334,
    load_duration: 101_397_084,
    prompt_eval_count: usage.input,
    prompt_eval_duration: 13_074_791,
    eval_count: usage.output,
    eval_duration: 52_479_709,
  };
}

/** Calls come whole, thoughts before words. */
function streamOf(answer: Answer): object[] {
  const line = (message: object): object => ({ ...head, message: { role: "assistant", content: "", ...message }, done: false });
  const { text = "", reasoning, ...rest } = answer;
  const halves = (whole: string): string[] => [whole.slice(0, 4), whole.slice(4)].filter((piece) => piece !== "");
  return [
    ...halves(reasoning?.text ?? "").map((thinking) => line({ thinking })),
    ...halves(text).map((content) => line({ content })),
    ...(rest.calls === undefined ? [] : [line(messageOf(rest))]),
    { ...head, message: { role: "assistant", content: "" }, ...endOf(answer) },
  ];
}
