/** Owns OpenAI's Responses as the official client speaks them, keeping the conversation itself. */
import OpenAI from "openai";
import type { Response, ResponseCreateParamsNonStreaming, ResponseReasoningItem } from "openai/resources/responses/responses";
import { create } from "@bufbuild/protobuf";
import { PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { readOpaquePart, writeOpaquePart } from "../../../services/routing/edge/openai-responses/opaque-part.ts";
import { HeardError, type Answer, type Caller, type Heard, type Part, type Turn, type Wanted } from "../exchange.ts";

type Request = ResponseCreateParamsNonStreaming;

export const openaiResponses: Caller = {
  dialect: "OpenAI Responses",
  hasStatuses: true,
  brokenStreamClass: "APIError",
  build(wanted) {
    const { topK, seed, stop, presencePenalty, frequencyPenalty, reasoningTokens } = wanted;
    const hasNoWords = topK ?? seed ?? stop ?? presencePenalty ?? frequencyPenalty ?? reasoningTokens;
    const isFailed = wanted.turns.some(({ parts }) => parts.some((part) => "result" in part && part.result.isError === true));
    return hasNoWords === undefined && !isFailed ? buildRequest(wanted) : undefined;
  },
  async send({ origin, inferenceKey }, model, request, stream) {
    const client = new OpenAI({ baseURL: `${origin}/v1`, apiKey: inferenceKey, maxRetries: 0 });
    try {
      return stream ? await hearStream(client, { ...(request as Request), model }) : await hearWhole(client, { ...(request as Request), model });
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
      throw new HeardError((error.status as number | undefined) ?? 0, error.constructor.name, error.message, error.requestID ?? "");
    }
  },
};

function buildRequest(wanted: Wanted): Request {
  const { toolChoice } = wanted;
  return {
    input: wanted.turns.flatMap(buildTurn) as OpenAI.Responses.ResponseInput,
    store: false,
    ...(wanted.system === undefined ? {} : { instructions: wanted.system }),
    ...(wanted.tools === undefined ? {} : { tools: wanted.tools.map(({ name, description, parameters }) => ({ type: "function" as const, name, description, parameters: parameters as Record<string, unknown>, strict: false })) }),
    ...(toolChoice === undefined ? {} : { tool_choice: typeof toolChoice === "string" ? toolChoice : { type: "function" as const, name: toolChoice.name } }),
    ...(wanted.oneCallAtATime === undefined ? {} : { parallel_tool_calls: false }),
    ...(wanted.outputMaximum === undefined ? {} : { max_output_tokens: wanted.outputMaximum }),
    ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
    ...(wanted.topP === undefined ? {} : { top_p: wanted.topP }),
    ...(wanted.jsonSchema === undefined ? {} : { text: { format: { type: "json_schema" as const, name: "reply", schema: wanted.jsonSchema as Record<string, unknown>, strict: true } } }),
    ...(wanted.effort === undefined ? {} : { reasoning: { effort: wanted.effort } }),
    ...(wanted.user === undefined ? {} : { safety_identifier: wanted.user }),
  };
}

/** Calls, results and reasoning are items beside the messages. */
function buildTurn({ role, parts }: Turn): object[] {
  const items: object[] = [];
  let content: object[] | undefined;
  for (const part of parts) {
    if ("text" in part || "image" in part || "document" in part) {
      if (content === undefined) items.push({ type: "message", role, content: (content = []) });
      content.push(buildContent(part, role));
      continue;
    }
    content = undefined;
    items.push(buildItem(part));
  }
  return items;
}

function buildContent(part: Extract<Part, { text: string } | { image: string } | { document: string }>, role: Turn["role"]): object {
  if ("image" in part) return { type: "input_image", detail: "auto", image_url: part.image };
  if ("document" in part) return { type: "input_file", filename: "page.pdf", file_data: part.document };
  if (role === "assistant") return { type: "output_text", text: part.text, annotations: [] };
  return { type: "input_text", text: part.text, ...(part.isCacheEnd === undefined ? {} : { prompt_cache_breakpoint: { mode: "explicit" } }) };
}

function buildItem(part: Exclude<Part, { text: string } | { image: string } | { document: string }>): object {
  if ("call" in part) return { type: "function_call", call_id: part.call.id, name: part.call.name, arguments: JSON.stringify(part.call.input) };
  if ("result" in part) return { type: "function_call_output", call_id: part.result.id, output: part.result.text };
  return { type: "reasoning", id: "rs_1", summary: [{ type: "summary_text", text: part.reasoning }], encrypted_content: seal(part.reasoning, part.signature) };
}

/** The `encrypted_content` of a thought as a reply of Weir brings it: clients do not look into it. */
export function seal(thought: string, signature: string): string {
  return writeOpaquePart(create(PartSchema, { kind: { case: "reasoning", value: { text: thought, signature } } }));
}

/** The signature that the vendor gets back when a client sends this `encrypted_content` as it came: what OpenAI encrypted itself is one. */
export function readSealed(encrypted: string | null | undefined): string {
  const kind = readOpaquePart(encrypted ?? "")?.kind;
  return kind?.case === "reasoning" ? kind.value.signature : (encrypted ?? "");
}

async function hearWhole(client: OpenAI, request: Request): Promise<Heard> {
  const { data, response } = await client.responses.create(request).withResponse();
  return { answer: hear(data), warnings: response.headers.get("x-weir-warnings") ?? "" };
}

/** The pieces must add up to what the last event holds: some clients read those, some this. */
async function hearStream(client: OpenAI, request: Request): Promise<Heard> {
  const { data, response } = await client.responses.create({ ...request, stream: true }).withResponse();
  const pieces = { text: "", reasoning: "", input: "" };
  let whole: Response | undefined;
  for await (const event of data) {
    if (whole !== undefined) throw new Error(`The event ${event.type} came behind the last.`);
    if (event.type === "response.output_text.delta") pieces.text += event.delta;
    if (event.type === "response.reasoning_text.delta" || event.type === "response.reasoning_summary_text.delta") pieces.reasoning += event.delta;
    if (event.type === "response.function_call_arguments.delta") pieces.input += event.delta;
    if (event.type === "response.completed" || event.type === "response.incomplete") whole = event.response;
  }
  const output = whole!.output;
  const sum = {
    text: output.map((item) => (item.type === "message" ? textOf(item) : "")).join(""),
    reasoning: output.map((item) => (item.type === "reasoning" ? thoughtOf(item) : "")).join(""),
    input: output.map((item) => (item.type === "function_call" ? item.arguments : "")).join(""),
  };
  if (JSON.stringify(sum) !== JSON.stringify(pieces)) throw new Error(`The pieces are ${JSON.stringify(pieces)}, the whole is ${JSON.stringify(sum)}.`);
  return { answer: hear(whole!), warnings: response.headers.get("x-weir-warnings") ?? "" };
}

function hear({ output, status, incomplete_details: incomplete, usage }: Response): Answer {
  const text = output.map((item) => (item.type === "message" ? textOf(item) : "")).join("");
  const calls = output.flatMap((item) => (item.type === "function_call" ? [{ id: item.call_id, name: item.name, input: JSON.parse(item.arguments) as object }] : []));
  const thoughts = output.filter((item) => item.type === "reasoning");
  const completed = calls.length === 0 ? "stop" : "calls";
  return {
    ...(text === "" ? {} : { text }),
    ...(calls.length === 0 ? {} : { calls }),
    ...(thoughts.length === 0 ? {} : { reasoning: { text: thoughts.map(thoughtOf).join(""), signature: thoughts.map(({ encrypted_content: sealed }) => readSealed(sealed)).join("") } }),
    finish: status === "completed" ? completed : (({ max_output_tokens: "length", content_filter: "refused" } as Record<string, Answer["finish"]>)[incomplete?.reason ?? ""] ?? ("none" as never)),
    usage: {
      input: usage?.input_tokens ?? -1,
      cached: usage?.input_tokens_details.cached_tokens ?? 0,
      output: usage?.output_tokens ?? -1,
      reasoning: usage?.output_tokens_details.reasoning_tokens ?? 0,
    },
  };
}

function textOf({ content }: OpenAI.Responses.ResponseOutputMessage): string {
  return content.map((part) => (part.type === "output_text" ? part.text : "")).join("");
}

function thoughtOf({ summary, content = [] }: ResponseReasoningItem): string {
  return [...summary, ...content].map(({ text }) => text).join("");
}
