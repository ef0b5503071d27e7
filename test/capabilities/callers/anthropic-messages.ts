/** Owns Anthropic's messages as the official client speaks them. */
import Anthropic from "@anthropic-ai/sdk";
import { HeardError, type Answer, type Caller, type Part, type Turn, type Wanted } from "../exchange.ts";

type Request = Anthropic.MessageCreateParamsNonStreaming;

export const anthropicMessages: Caller = {
  dialect: "Anthropic messages",
  hasStatuses: true,
  brokenStreamClass: "APIError",
  build(wanted) {
    const hasNoWords = wanted.seed ?? wanted.presencePenalty ?? wanted.frequencyPenalty;
    return hasNoWords === undefined ? buildRequest(wanted) : undefined;
  },
  async send({ origin, inferenceKey }, model, request, stream) {
    const client = new Anthropic({ baseURL: origin, apiKey: inferenceKey, maxRetries: 0 });
    try {
      const asked = { ...(request as Request), model };
      if (!stream) {
        const { data, response } = await client.messages.create(asked).withResponse();
        return { answer: hear(data), warnings: response.headers.get("x-weir-warnings") ?? "" };
      }
      const running = client.messages.stream(asked);
      const { response } = await running.withResponse();
      return { answer: hear(await running.finalMessage()), warnings: response.headers.get("x-weir-warnings") ?? "" };
    } catch (error) {
      if (!(error instanceof Anthropic.APIError)) throw error;
      throw new HeardError((error.status as number | undefined) ?? 0, error.constructor.name, error.message, error.requestID ?? "");
    }
  },
};

function buildRequest(wanted: Wanted): object {
  const { toolChoice, effort, jsonSchema, reasoningTokens } = wanted;
  const serial = wanted.oneCallAtATime === undefined ? {} : { disable_parallel_tool_use: true };
  const choice = toolChoice === undefined ? { type: "auto" } : toolChoice === "none" ? { type: "none" } : toolChoice === "required" ? { type: "any" } : { type: "tool", name: toolChoice.name };
  const outputConfig = { ...(effort === undefined ? {} : { effort }), ...(jsonSchema === undefined ? {} : { format: { type: "json_schema", schema: jsonSchema } }) };
  return {
    max_tokens: wanted.outputMaximum,
    ...(wanted.system === undefined ? {} : { system: wanted.system }),
    messages: wanted.turns.map(buildTurn),
    ...(wanted.tools === undefined ? {} : { tools: wanted.tools.map(({ name, description, parameters }) => ({ name, description, input_schema: parameters })) }),
    ...(toolChoice === undefined && wanted.oneCallAtATime === undefined ? {} : { tool_choice: { ...choice, ...serial } }),
    ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
    ...(wanted.topP === undefined ? {} : { top_p: wanted.topP }),
    ...(wanted.topK === undefined ? {} : { top_k: wanted.topK }),
    ...(wanted.stop === undefined ? {} : { stop_sequences: wanted.stop }),
    ...(reasoningTokens === undefined ? {} : { thinking: { type: "enabled", budget_tokens: reasoningTokens } }),
    ...(Object.keys(outputConfig).length === 0 ? {} : { output_config: outputConfig }),
    ...(wanted.user === undefined ? {} : { metadata: { user_id: wanted.user } }),
  };
}

function buildTurn({ role, parts }: Turn): object {
  return { role, content: parts.map(buildPart) };
}

function buildPart(part: Part): object {
  if ("text" in part) return { type: "text", text: part.text, ...(part.isCacheEnd === undefined ? {} : { cache_control: { type: "ephemeral" } }) };
  if ("image" in part) return { type: "image", source: sourceOf(part.image) };
  if ("document" in part) return { type: "document", source: sourceOf(part.document) };
  if ("call" in part) return { type: "tool_use", ...part.call };
  if ("reasoning" in part) return { type: "thinking", thinking: part.reasoning, signature: part.signature };
  const { id, text, isError } = part.result;
  return { type: "tool_result", tool_use_id: id, content: text, ...(isError === undefined ? {} : { is_error: true }) };
}

function sourceOf(url: string): object {
  const match = /^data:([^;]+);base64,(.*)$/.exec(url);
  return match === null ? { type: "url", url } : { type: "base64", media_type: match[1], data: match[2] };
}

function hear({ content, stop_reason: stop, usage }: Anthropic.Message): Answer {
  const text = content.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("");
  const calls = content.flatMap((block) => (block.type === "tool_use" ? [{ id: block.id, name: block.name, input: block.input as object }] : []));
  const thoughts = content.filter((block) => block.type === "thinking");
  const cached = usage.cache_read_input_tokens ?? 0;
  return {
    ...(text === "" ? {} : { text }),
    ...(calls.length === 0 ? {} : { calls }),
    ...(thoughts.length === 0 ? {} : { reasoning: { text: thoughts.map(({ thinking }) => thinking).join(""), signature: thoughts.map(({ signature }) => signature).join("") } }),
    finish: ({ end_turn: "stop", stop_sequence: "stop", max_tokens: "length", tool_use: "calls", refusal: "refused" } as Record<string, Answer["finish"]>)[stop ?? ""] ?? ("none" as never),
    usage: {
      input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0),
      cached,
      output: usage.output_tokens,
      reasoning: usage.output_tokens_details?.thinking_tokens ?? 0,
    },
  };
}
