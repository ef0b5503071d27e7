/** Owns OpenAI's chat completions as the official client speaks them. */
import OpenAI from "openai";
import { HeardError, type Answer, type Caller, type Heard, type Part, type Turn, type Wanted } from "../exchange.ts";

type Request = OpenAI.ChatCompletionCreateParamsNonStreaming;
/** Where gateways put what OpenAI has no place for; see docs/http-api.md. */
interface Reasoned {
  readonly reasoning_details?: readonly { readonly text?: string; readonly summary?: string; readonly signature?: string }[];
}

export const openaiChat: Caller = {
  dialect: "OpenAI chat",
  hasStatuses: true,
  brokenStreamClass: "APIError",
  build(wanted) {
    if (wanted.topK !== undefined || wanted.reasoningTokens !== undefined || has(wanted, ({ result }) => result?.isError === true)) return undefined;
    return buildRequest(wanted);
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

type Loose = Partial<Record<"text" | "image" | "document" | "reasoning" | "signature", string>> & { call?: { id: string; name: string; input: object }; result?: { id: string; text: string; isError?: true }; isCacheEnd?: true };

function has({ turns }: Wanted, test: (part: Loose) => boolean): boolean {
  return turns.some(({ parts }) => parts.some((part) => test(part as Loose)));
}

function buildRequest(wanted: Wanted): Omit<Request, "model"> {
  const messages = [
    ...(wanted.system === undefined ? [] : [{ role: "system" as const, content: wanted.system }]),
    ...wanted.turns.flatMap(buildTurn),
  ] as OpenAI.ChatCompletionMessageParam[];
  const { toolChoice } = wanted;
  return {
    messages,
    ...(wanted.tools === undefined ? {} : { tools: wanted.tools.map(({ name, description, parameters }) => ({ type: "function" as const, function: { name, description, parameters: parameters as Record<string, unknown> } })) }),
    ...(toolChoice === undefined ? {} : { tool_choice: typeof toolChoice === "string" ? toolChoice : { type: "function" as const, function: { name: toolChoice.name } } }),
    ...(wanted.oneCallAtATime === undefined ? {} : { parallel_tool_calls: false }),
    ...(wanted.outputMaximum === undefined ? {} : { max_completion_tokens: wanted.outputMaximum }),
    ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
    ...(wanted.topP === undefined ? {} : { top_p: wanted.topP }),
    ...(wanted.seed === undefined ? {} : { seed: wanted.seed }),
    ...(wanted.stop === undefined ? {} : { stop: [...wanted.stop] }),
    ...(wanted.presencePenalty === undefined ? {} : { presence_penalty: wanted.presencePenalty }),
    ...(wanted.frequencyPenalty === undefined ? {} : { frequency_penalty: wanted.frequencyPenalty }),
    ...(wanted.jsonSchema === undefined ? {} : { response_format: { type: "json_schema" as const, json_schema: { name: "reply", schema: wanted.jsonSchema as Record<string, unknown>, strict: true } } }),
    ...(wanted.effort === undefined ? {} : { reasoning_effort: wanted.effort }),
    ...(wanted.user === undefined ? {} : { safety_identifier: wanted.user }),
  };
}

function buildTurn({ role, parts }: Turn): object[] {
  const loose = parts as readonly Loose[];
  const results = loose.flatMap(({ result }) => (result === undefined ? [] : [{ role: "tool", tool_call_id: result.id, content: result.text }]));
  const calls = loose.flatMap(({ call }) => (call === undefined ? [] : [{ id: call.id, type: "function", function: { name: call.name, arguments: JSON.stringify(call.input) } }]));
  const details = loose.flatMap(({ reasoning, signature }) => (reasoning === undefined ? [] : [{ type: "reasoning.text", text: reasoning, signature, index: 0 }]));
  const content = parts.flatMap(buildPart);
  const rest = content.length === 0 && calls.length === 0 ? [] : [{ role, ...(content.length === 0 ? {} : { content }), ...(calls.length === 0 ? {} : { tool_calls: calls }), ...(details.length === 0 ? {} : { reasoning_details: details }) }];
  return [...results, ...rest];
}

function buildPart(part: Part): object[] {
  if ("text" in part) return [{ type: "text", text: part.text, ...(part.isCacheEnd === undefined ? {} : { cache_control: { type: "ephemeral" } }) }];
  if ("image" in part) return [{ type: "image_url", image_url: { url: part.image } }];
  if ("document" in part) return [{ type: "file", file: { filename: "page.pdf", file_data: part.document } }];
  return [];
}

async function hearWhole(client: OpenAI, request: Request): Promise<Heard> {
  const { data, response } = await client.chat.completions.create(request).withResponse();
  const { message, finish_reason: finish } = data.choices[0]!;
  return { answer: hear(message as OpenAI.ChatCompletionMessage & Reasoned, finish, data.usage), warnings: response.headers.get("x-weir-warnings") ?? "" };
}

async function hearStream(client: OpenAI, request: Request): Promise<Heard> {
  const { data, response } = await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } }).withResponse();
  let text = "";
  let reasoning = "";
  let signature = "";
  let finish = "";
  let usage: OpenAI.CompletionUsage | undefined;
  const calls: { id: string; name: string; arguments: string }[] = [];
  for await (const chunk of data) {
    usage = chunk.usage ?? usage;
    const [choice] = chunk.choices;
    if (choice === undefined) continue;
    if (choice.finish_reason !== null) {
      if (finish !== "") throw new Error("The stream finished twice.");
      finish = choice.finish_reason;
    }
    text += choice.delta.content ?? "";
    for (const detail of (choice.delta as Reasoned).reasoning_details ?? []) {
      reasoning += detail.text ?? detail.summary ?? "";
      signature += detail.signature ?? "";
    }
    for (const { index, id, function: called } of choice.delta.tool_calls ?? []) {
      const call = (calls[index] ??= { id: id ?? "", name: called?.name ?? "", arguments: "" });
      call.arguments += called?.arguments ?? "";
    }
  }
  const message = {
    content: text,
    tool_calls: calls.map(({ id, name, arguments: input }) => ({ id, type: "function" as const, function: { name, arguments: input } })),
    reasoning_details: reasoning === "" ? [] : [{ text: reasoning, signature }],
  };
  return { answer: hear(message, finish, usage), warnings: response.headers.get("x-weir-warnings") ?? "" };
}

function hear(message: Pick<OpenAI.ChatCompletionMessage, "content" | "tool_calls"> & Reasoned, finish: string, usage: OpenAI.CompletionUsage | undefined): Answer {
  const calls = (message.tool_calls ?? []).map((call) => {
    const { id, function: called } = call as OpenAI.ChatCompletionMessageFunctionToolCall;
    return { id, name: called.name, input: JSON.parse(called.arguments) as object };
  });
  const details = message.reasoning_details ?? [];
  return {
    ...(message.content === null || message.content === "" ? {} : { text: message.content }),
    ...(calls.length === 0 ? {} : { calls }),
    ...(details.length === 0 ? {} : { reasoning: { text: details.map(({ text, summary = "" }) => text ?? summary).join(""), signature: details.map(({ signature = "" }) => signature).join("") } }),
    finish: ({ stop: "stop", length: "length", tool_calls: "calls", content_filter: "refused" } as const)[finish] ?? ("stop" as never),
    usage: {
      input: usage?.prompt_tokens ?? -1,
      cached: usage?.prompt_tokens_details?.cached_tokens ?? 0,
      output: usage?.completion_tokens ?? -1,
      reasoning: usage?.completion_tokens_details?.reasoning_tokens ?? 0,
    },
  };
}
