/**
 * Owns a model that reasons, in Azure by its v1 API, as it would take and answer both of OpenAI's APIs: Chat Completions as OpenAI itself, and
 * Responses after the types of the `openai` package.
 */
import type { Answer, Asked, Part, Player, Tool, Turn, Wanted } from "../exchange.ts";
import { openaiPlayer } from "./openai.ts";

interface Item {
  readonly type?: string;
  readonly role?: string;
  readonly id?: string;
  readonly content?: string | readonly Content[];
  readonly call_id?: string;
  readonly name?: string;
  readonly arguments?: string;
  readonly output?: string | readonly Content[];
  readonly summary?: readonly { readonly text: string }[];
  readonly encrypted_content?: string;
}

interface Content {
  readonly type: string;
  readonly text?: string;
  readonly image_url?: string;
  readonly file_data?: string;
  readonly prompt_cache_breakpoint?: object;
}

interface Body {
  readonly model: string;
  readonly instructions?: string;
  readonly input: readonly Item[];
  readonly stream?: boolean;
  readonly store?: boolean;
  readonly tools?: readonly (Tool & { readonly type: string; readonly strict?: boolean | null })[];
  readonly tool_choice?: string | { readonly name: string };
  readonly parallel_tool_calls?: boolean;
  readonly text?: { readonly format?: { readonly schema?: object } };
  readonly max_output_tokens?: number;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly reasoning?: { readonly effort?: "low" | "high" };
  readonly safety_identifier?: string;
}

const model = "gpt-5.5";
const place = "/openai/v1";
const isResponses = (path: string): boolean => path === `${place}/responses`;

export const azurePlayer: Player = {
  vendor: "azure",
  native: ["OpenAI chat", "OpenAI Responses"],
  basePath: place,
  apiKey: "key-azure",
  expected: ({ temperature, topP, ...wanted }) => ({
    ...wanted,
    ...withoutUsual({ temperature, topP }),
    // What others signed it cannot read.
    turns: withoutReasoning(wanted.turns),
  }),
  read({ path, headers, body }, stream) {
    if (headers["api-key"] !== "key-azure") throw new Error("no key");
    const request = JSON.parse(body.toString()) as Body;
    if (request.model !== model) throw new Error(`no such model: ${request.model}`);
    if (isResponses(path)) return readBody(request, stream);
    const asOpenai = { path: path.replace(place, "/v1"), headers: { authorization: "Bearer sk-openai" }, body: Buffer.from(JSON.stringify({ ...request, model: "gpt-test" })) };
    const { temperature, topP, turns, ...asked } = openaiPlayer.read(asOpenai, stream);
    return { ...asked, ...withoutUsual({ temperature, topP }), turns: withoutReasoning(turns) };
  },
  write: (answer, stream, path) => {
    if (!isResponses(path)) return openaiPlayer.write(answer, stream, path);
    return stream ? { contentType: "text/event-stream", pieces: streamOf(answer) } : { contentType: "application/json", pieces: [JSON.stringify(wholeOf(answer))] };
  },
  breakOff: (path) => (isResponses(path) ? event("error", { code: "server_error", message: "The server had an error", param: null }) : openaiPlayer.breakOff(path)),
  refuse: (refusal) => openaiPlayer.refuse(refusal),
};

function withoutReasoning(turns: readonly Turn[]): readonly Turn[] {
  return turns.map(({ role, parts }) => ({ role, parts: parts.filter((part) => !("reasoning" in part)) }));
}

/** 1 is what it does anyway. */
function withoutUsual({ temperature = 1, topP = 1 }: { readonly temperature: number | undefined; readonly topP: number | undefined }): Pick<Wanted, "temperature" | "topP"> {
  return { ...(temperature === 1 ? {} : { temperature }), ...(topP === 1 ? {} : { topP }) };
}

function readBody(request: Body, stream: boolean): Asked {
  if (stream !== (request.stream === true)) throw new Error("stream is not what was asked");
  if ((request.max_output_tokens ?? 16) < 16) throw new Error("max_output_tokens: integer below minimum value");
  refuseUnpaired(request);
  const isInstruction = ({ role }: Item): boolean => role === "system" || role === "developer";
  const system = [...(request.instructions === undefined ? [] : [request.instructions]), ...request.input.filter(isInstruction).map(({ content }) => textOf(content))];
  const { tools, tool_choice: choice, temperature, top_p: topP, reasoning } = request;
  if (tools?.some((tool) => tool.strict === undefined || !("parameters" in tool)) === true) throw new Error("tools: missing required parameter");
  return {
    ...(system.length === 0 ? {} : { system: system.join("\n") }),
    turns: readTurns(request.input.filter((item) => !isInstruction(item))),
    ...(tools === undefined ? {} : { tools: tools.map(({ name, description, parameters }) => ({ name, description, parameters })) }),
    ...(choice === undefined || choice === "auto" ? {} : { toolChoice: typeof choice === "string" ? (choice as "none") : { name: choice.name } }),
    ...(request.parallel_tool_calls === false ? { oneCallAtATime: true as const } : {}),
    ...(request.max_output_tokens === undefined ? {} : { outputMaximum: request.max_output_tokens }),
    ...withoutUsual({ temperature, topP }),
    ...(request.text?.format?.schema === undefined ? {} : { jsonSchema: request.text.format.schema }),
    ...(reasoning?.effort === undefined ? {} : { effort: reasoning.effort }),
    ...(request.safety_identifier === undefined ? {} : { user: request.safety_identifier }),
  };
}

/** Each call must be answered, and reasoning is refused without its encrypted content, or without what it led to. */
function refuseUnpaired({ input, store }: Body): void {
  const calls = input.flatMap(({ type, call_id: id }) => (type === "function_call" ? [id] : []));
  const results = input.flatMap(({ type, call_id: id }) => (type === "function_call_output" ? [id] : []));
  for (const id of results) if (!calls.includes(id)) throw new Error(`No tool call found for function call output with call_id ${id}`);
  for (const id of calls) if (!results.includes(id)) throw new Error(`No tool output found for function call ${id}`);
  if (calls.some((id) => id!.length > 64)) throw new Error("input: string too long");
  input.forEach(({ type, id, encrypted_content: encrypted }, index) => {
    if (type !== "reasoning") return;
    if (encrypted === undefined && store === false) throw new Error(`Item with id '${id}' not found. Items are not persisted when store is set to false.`);
    if (encrypted !== undefined && !/^[\w+/=-]+$/.test(encrypted)) throw new Error("The encrypted content could not be verified.");
    const next = input[index + 1];
    if (next === undefined || next.role === "user" || next.type === "function_call_output") throw new Error(`Item '${id}' of type 'reasoning' was provided without its required following item.`);
  });
}

function readTurns(items: readonly Item[]): Turn[] {
  const turns: { role: "user" | "assistant"; parts: Part[] }[] = [];
  for (const item of items) {
    const role = item.role === "user" || item.type === "function_call_output" ? "user" : "assistant";
    const parts = partsOf(item);
    const last = turns.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else turns.push({ role, parts });
  }
  return turns;
}

function partsOf(item: Item): Part[] {
  switch (item.type) {
    case "function_call":
      return [{ call: { id: item.call_id!, name: item.name!, input: JSON.parse(item.arguments!) as object } }];
    case "function_call_output":
      return [{ result: { id: item.call_id!, text: textOf(item.output) } }];
    case "reasoning":
      return [{ reasoning: item.summary!.map(({ text }) => text).join(""), signature: item.encrypted_content ?? "" }];
    default:
      return typeof item.content === "string" ? [{ text: item.content }] : item.content!.map((content) => readContent(content, item.role!));
  }
}

function readContent({ type, text, image_url: image, file_data: document, prompt_cache_breakpoint: mark }: Content, role: string): Part {
  if (type === (role === "assistant" ? "output_text" : "input_text")) return { text: text!, ...(mark === undefined ? {} : { isCacheEnd: true as const }) };
  if (role === "user" && type === "input_image") return { image: image! };
  if (role === "user" && type === "input_file") return { document: document! };
  throw new Error(`Invalid value: '${type}' of ${role}`);
}

function textOf(content: Item["content"]): string {
  return typeof content === "string" ? content : (content ?? []).map(({ text }) => text ?? "").join("");
}

const head = { id: "resp_1", object: "response", created_at: 1_700_000_000, model, error: null, incomplete_details: null, instructions: null, metadata: {}, parallel_tool_calls: true, temperature: 1, tool_choice: "auto", tools: [], top_p: 1 };

function itemsOf({ reasoning, text, calls = [] }: Answer): readonly object[] {
  return [
    ...(reasoning === undefined ? [] : [{ id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: reasoning.text }], encrypted_content: reasoning.signature }]),
    ...(text === undefined ? [] : [{ id: "msg_1", type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text, annotations: [], logprobs: [] }] }]),
    ...calls.map(({ id, name, input }, index) => ({ id: `fc_${index}`, type: "function_call", status: "completed", call_id: id, name, arguments: JSON.stringify(input) })),
  ];
}

function wholeOf(answer: Answer): object {
  const { usage, finish } = answer;
  const ending = finish === "length" ? { reason: "max_output_tokens" } : finish === "refused" ? { reason: "content_filter" } : null;
  return {
    ...head,
    status: ending === null ? "completed" : "incomplete",
    incomplete_details: ending,
    output: itemsOf(answer),
    usage: {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: 0 },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: usage.reasoning },
      total_tokens: usage.input + usage.output,
    },
  };
}

function event(type: string, members: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`;
}

function streamOf(answer: Answer): string[] {
  const growing = { ...head, status: "in_progress", output: [], usage: null };
  const end = wholeOf(answer) as { readonly status: string };
  return [
    event("response.created", { response: growing }),
    event("response.in_progress", { response: growing }),
    ...itemsOf(answer).flatMap((item, index) => growthOf(item as Item, index)),
    event(`response.${end.status}`, { response: end }),
  ].map((one, sequence) => one.replace('","', `","sequence_number":${sequence},"`));
}

function growthOf(item: Item, output_index: number): string[] {
  const at = { output_index, item_id: item.id };
  const halves = (text: string): string[] => [text.slice(0, 5), text.slice(5)].filter((piece) => piece !== "");
  const done = event("response.output_item.done", { output_index, item });
  if (item.type === "reasoning") {
    const [{ text }] = item.summary as [{ text: string }];
    const piece = { ...at, summary_index: 0 };
    return [
      event("response.output_item.added", { output_index, item: { ...item, summary: [], encrypted_content: "of-its-beginning" } }),
      event("response.reasoning_summary_part.added", { ...piece, part: { type: "summary_text", text: "" } }),
      ...halves(text).map((delta) => event("response.reasoning_summary_text.delta", { ...piece, delta, obfuscation: "x7" })),
      event("response.reasoning_summary_text.done", { ...piece, text }),
      event("response.reasoning_summary_part.done", { ...piece, part: { type: "summary_text", text } }),
      done,
    ];
  }
  if (item.type === "function_call") {
    return [
      event("response.output_item.added", { output_index, item: { ...item, arguments: "", status: "in_progress" } }),
      ...halves(item.arguments!).map((delta) => event("response.function_call_arguments.delta", { ...at, delta, obfuscation: "" })),
      event("response.function_call_arguments.done", { ...at, arguments: item.arguments }),
      done,
    ];
  }
  const [content] = item.content as readonly [Content];
  const piece = { ...at, content_index: 0 };
  const middle = Math.ceil(content.text!.length / 2);
  return [
    event("response.output_item.added", { output_index, item: { ...item, status: "in_progress", content: [] } }),
    event("response.content_part.added", { ...piece, part: { ...content, text: "" } }),
    ...[content.text!.slice(0, middle), content.text!.slice(middle)].map((delta) => event("response.output_text.delta", { ...piece, delta, logprobs: [], obfuscation: "abc" })),
    event("response.output_text.done", { ...piece, text: content.text, logprobs: [] }),
    event("response.content_part.done", { ...piece, part: content }),
    done,
  ];
}
