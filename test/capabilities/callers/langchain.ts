/** Owns LangChain's ChatOpenAI, as it speaks OpenAI's chat completions. */
import { AIMessage, HumanMessage, SystemMessage, ToolMessage, type AIMessageChunk, type BaseMessage, type UsageMetadata } from "@langchain/core/messages";
import { ChatOpenAI, type ChatOpenAIFields } from "@langchain/openai";
import OpenAI from "openai";
import { HeardError, type Answer, type Caller, type Part, type Turn, type Wanted } from "../exchange.ts";

interface Request {
  readonly fields: ChatOpenAIFields;
  readonly options: object;
  readonly messages: readonly BaseMessage[];
}

export const langchain: Caller = {
  dialect: "LangChain ChatOpenAI",
  like: "OpenAI chat",
  hasStatuses: true,
  brokenStreamClass: "APIError",
  build(wanted, answer) {
    const parts = wanted.turns.flatMap((turn) => turn.parts);
    const hasNoWords = parts.some((part) => "reasoning" in part || ("result" in part && part.result.isError === true));
    return hasNoWords || answer?.reasoning !== undefined || (wanted.topK ?? wanted.reasoningTokens) !== undefined ? undefined : buildRequest(wanted);
  },
  async send({ origin, inferenceKey }, model, request, stream) {
    const { fields, options, messages } = request as Request;
    let warnings = "";
    // The client keeps headers to itself.
    const listen: typeof fetch = async (...words) => {
      const response = await fetch(...words);
      warnings = response.headers.get("x-weir-warnings") ?? "";
      return response;
    };
    const client = new ChatOpenAI({ ...fields, model, apiKey: inferenceKey, maxRetries: 0, configuration: { baseURL: `${origin}/v1`, fetch: listen } }).withConfig(options);
    try {
      if (!stream) return { answer: hear(await client.invoke([...messages])), warnings };
      let whole: AIMessageChunk | undefined;
      for await (const chunk of await client.stream([...messages])) whole = whole?.concat(chunk) ?? chunk;
      return { answer: hear(whole!), warnings };
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
      throw new HeardError((error.status as number | undefined) ?? 0, error.constructor.name, error.message, error.requestID ?? "");
    }
  },
};

function buildRequest(wanted: Wanted): Request {
  const { toolChoice } = wanted;
  return {
    fields: {
      ...(wanted.outputMaximum === undefined ? {} : { maxTokens: wanted.outputMaximum }),
      ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
      ...(wanted.topP === undefined ? {} : { topP: wanted.topP }),
      ...(wanted.presencePenalty === undefined ? {} : { presencePenalty: wanted.presencePenalty }),
      ...(wanted.frequencyPenalty === undefined ? {} : { frequencyPenalty: wanted.frequencyPenalty }),
      // What it has no words for, or only for names of models that it knows.
      modelKwargs: { ...(wanted.user === undefined ? {} : { safety_identifier: wanted.user }), ...(wanted.effort === undefined ? {} : { reasoning_effort: wanted.effort }) },
    },
    options: {
      ...(wanted.tools === undefined ? {} : { tools: wanted.tools.map((one) => ({ type: "function", function: one })) }),
      ...(toolChoice === undefined ? {} : { tool_choice: typeof toolChoice === "string" ? toolChoice : { type: "function", function: { name: toolChoice.name } } }),
      ...(wanted.oneCallAtATime === undefined ? {} : { parallel_tool_calls: false }),
      ...(wanted.seed === undefined ? {} : { seed: wanted.seed }),
      ...(wanted.stop === undefined ? {} : { stop: [...wanted.stop] }),
      ...(wanted.jsonSchema === undefined ? {} : { response_format: { type: "json_schema", json_schema: { name: "reply", schema: wanted.jsonSchema, strict: true } } }),
    },
    messages: [...(wanted.system === undefined ? [] : [new SystemMessage(wanted.system)]), ...wanted.turns.flatMap(buildTurn)],
  };
}

function buildTurn({ role, parts }: Turn): BaseMessage[] {
  const results = parts.flatMap((part) => ("result" in part ? [new ToolMessage({ tool_call_id: part.result.id, content: part.result.text })] : []));
  const content = parts.flatMap(buildContent);
  const calls = parts.flatMap((part) => ("call" in part ? [{ type: "tool_call" as const, id: part.call.id, name: part.call.name, args: part.call.input as Record<string, unknown> }] : []));
  if (role === "assistant") return [new AIMessage({ content, tool_calls: calls })];
  return [...results, ...(content.length === 0 ? [] : [new HumanMessage({ content })])];
}

function buildContent(part: Part): { type: string }[] {
  if ("text" in part) return [{ type: "text", text: part.text, ...(part.isCacheEnd === undefined ? {} : { cache_control: { type: "ephemeral" } }) } as { type: string }];
  if ("image" in part) return [{ type: "image_url", image_url: { url: part.image } } as { type: string }];
  if ("document" in part) return [{ type: "file", file: { filename: "page.pdf", file_data: part.document } } as { type: string }];
  return [];
}

function hear(message: AIMessage | AIMessageChunk): Answer {
  const { text, tool_calls: calls = [], response_metadata: metadata } = message;
  const usage = message.usage_metadata as UsageMetadata | undefined;
  return {
    ...(text === "" ? {} : { text }),
    ...(calls.length === 0 ? {} : { calls: calls.map(({ id, name, args }) => ({ id: id!, name, input: args })) }),
    finish: ({ stop: "stop", length: "length", tool_calls: "calls", content_filter: "refused" } as Record<string, Answer["finish"]>)[metadata["finish_reason"] as string] ?? ("none" as never),
    usage: {
      input: usage?.input_tokens ?? -1,
      cached: usage?.input_token_details?.cache_read ?? 0,
      output: usage?.output_tokens ?? -1,
      reasoning: usage?.output_token_details?.reasoning ?? 0,
    },
  };
}
