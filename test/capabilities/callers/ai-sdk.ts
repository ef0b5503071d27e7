/** Owns the Vercel AI SDK: one set of words for all vendors, said in the dialect of the provider. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { AISDKError, APICallError, generateText, jsonSchema, Output, streamText, tool, type FinishReason, type LanguageModel, type ModelMessage } from "ai";
import { readSignature } from "../../../services/routing/edge/gemini/thought-signature.ts";
import { HeardError, type Answer, type Caller, type Heard, type Part, type Turn, type Wanted } from "../exchange.ts";
import { readSealed, seal } from "./openai-responses.ts";

// What a provider of the SDK cannot say is in the table; said again for each case it would bury what fails.
globalThis.AI_SDK_LOG_WARNINGS = false;

type Weir = Parameters<Caller["send"]>[0];
type Options = NonNullable<NonNullable<Parameters<typeof generateText>[0]["providerOptions"]>[string]>;

/** What one provider has of its own beside the SDK's common words. */
export interface Provider {
  readonly dialect: string;
  readonly like: string;
  /** Its name in the SDK's options and metadata. */
  readonly name: "openai" | "anthropic" | "google";
  model(weir: Weir, name: string): LanguageModel;
  /** Whether it has no words for a part, or the SDK would fetch it. */
  lacks(part: Part): boolean;
  /** The options of a call; undefined where it has no words for what is wanted, or no ears for what is answered. */
  options(wanted: Wanted, answer: Answer | undefined): Options | undefined;
  /** The options of a part that ends the cached prompt. */
  readonly cacheEnd?: Options;
  /** How the signature of a thought travels; absent where thoughts cannot. */
  readonly signature?: { readonly stands: "on the thought" | "on the part behind"; write(signature: string, thought: string): Options; read(metadata: Options): string };
  /** Whether it adds the bound of the thoughts to the one of the output. */
  readonly thinksBeside?: true;
}

const isFailed = (part: Part): boolean => "result" in part && part.result.isError === true;

/** OpenAI's two have the same options. */
function openaiOptions({ oneCallAtATime, user, effort }: Wanted): Options {
  return {
    ...(oneCallAtATime === undefined ? {} : { parallelToolCalls: false }),
    ...(user === undefined ? {} : { safetyIdentifier: user }),
    ...(effort === undefined ? {} : { forceReasoning: true, reasoningEffort: effort }),
  };
}

const openaiCacheEnd: Options = { promptCacheBreakpoint: { mode: "explicit" } };

export const aiSdkProviders: readonly Provider[] = [
  {
    dialect: "AI SDK, OpenAI chat",
    like: "OpenAI chat",
    name: "openai",
    model: ({ origin, inferenceKey }, name) => createOpenAI({ baseURL: `${origin}/v1`, apiKey: inferenceKey }).chat(name),
    lacks: (part) => "reasoning" in part || isFailed(part),
    options: (wanted, answer) => ((wanted.reasoningTokens ?? answer?.reasoning) === undefined ? openaiOptions(wanted) : undefined),
    cacheEnd: openaiCacheEnd,
  },
  {
    dialect: "AI SDK, OpenAI Responses",
    like: "OpenAI Responses",
    name: "openai",
    model: ({ origin, inferenceKey }, name) => createOpenAI({ baseURL: `${origin}/v1`, apiKey: inferenceKey }).responses(name),
    lacks: isFailed,
    // It shows what it asked for: summaries.
    options: (wanted, answer) =>
      wanted.reasoningTokens === undefined ? { ...openaiOptions(wanted), store: false, ...(answer?.reasoning === undefined ? {} : { forceReasoning: true, reasoningSummary: "auto" }) } : undefined,
    cacheEnd: openaiCacheEnd,
    signature: {
      stands: "on the thought",
      write: (signature, thought) => ({ itemId: "rs_1", reasoningEncryptedContent: seal(thought, signature) }),
      read: ({ reasoningEncryptedContent: sealed }) => readSealed(sealed as string | null),
    },
  },
  {
    dialect: "AI SDK, Anthropic",
    like: "Anthropic messages",
    name: "anthropic",
    model: ({ origin, inferenceKey }, name) => createAnthropic({ baseURL: `${origin}/v1`, apiKey: inferenceKey })(name),
    lacks: () => false,
    options: ({ oneCallAtATime, user, effort, reasoningTokens }) => ({
      // Of a model whose name it does not know it would ask for a tool's call in the place of JSON.
      structuredOutputMode: "outputFormat",
      ...(oneCallAtATime === undefined ? {} : { disableParallelToolUse: true }),
      ...(user === undefined ? {} : { metadata: { userId: user } }),
      ...(effort === undefined ? {} : { effort }),
      ...(reasoningTokens === undefined ? {} : { thinking: { type: "enabled", budgetTokens: reasoningTokens } }),
    }),
    cacheEnd: { cacheControl: { type: "ephemeral" } },
    signature: { stands: "on the thought", write: (signature) => ({ signature }), read: ({ signature }) => (signature as string | undefined) ?? "" },
    thinksBeside: true,
  },
  {
    dialect: "AI SDK, Google",
    like: "Gemini",
    name: "google",
    // Without the folder in front it would take Weir's `vendor/model` for a path.
    model: ({ origin, inferenceKey }, name) => createGoogle({ baseURL: `${origin}/v1beta`, apiKey: inferenceKey })(`models/${name}`),
    lacks: (part) => ("text" in part && part.isCacheEnd === true) || ("image" in part && !part.image.startsWith("data:")),
    options({ oneCallAtATime, user, effort, reasoningTokens }) {
      if ((oneCallAtATime ?? user) !== undefined) return undefined;
      return { thinkingConfig: { ...(effort === undefined ? {} : { thinkingLevel: effort }), ...(reasoningTokens === undefined ? {} : { thinkingBudget: reasoningTokens }) } };
    },
    signature: { stands: "on the part behind", write: (signature) => ({ thoughtSignature: signature }), read: ({ thoughtSignature = "" }) => readSignature(thoughtSignature as string) },
  },
];

export function aiSdk(provider: Provider): Caller {
  return {
    dialect: provider.dialect,
    like: provider.like,
    hasStatuses: true,
    errorClass: "AI_APICallError",
    brokenStreamClass: "AI_StreamProviderError",
    build(wanted, answer) {
      if (wanted.turns.some(({ parts }) => parts.some((part) => provider.lacks(part)))) return undefined;
      const options = provider.options(wanted, answer);
      return options === undefined ? undefined : buildRequest(wanted, provider, options);
    },
    async send(weir, model, request, stream) {
      const asked = { ...(request as Omit<Parameters<typeof generateText>[0], "model" | "prompt"> & { messages: ModelMessage[] }), model: provider.model(weir, model), maxRetries: 0 };
      try {
        return await (stream ? hearStream(asked, provider) : hear(await generateText(asked), provider));
      } catch (error) {
        if (!AISDKError.isInstance(error)) throw error;
        const { statusCode = 0, responseHeaders = {} } = APICallError.isInstance(error) ? error : {};
        throw new HeardError(statusCode, error.name, error.message, responseHeaders["x-request-id"] ?? "");
      }
    },
  };
}

function buildRequest(wanted: Wanted, provider: Provider, options: Options): object {
  const { toolChoice, outputMaximum, reasoningTokens = 0 } = wanted;
  return {
    ...(wanted.system === undefined ? {} : { instructions: wanted.system }),
    messages: wanted.turns.flatMap((turn) => buildTurn(turn, wanted.turns, provider)),
    ...(wanted.tools === undefined ? {} : { tools: Object.fromEntries(wanted.tools.map(({ name, description, parameters }) => [name, tool({ description, inputSchema: jsonSchema(parameters) })])) }),
    ...(toolChoice === undefined ? {} : { toolChoice: typeof toolChoice === "string" ? toolChoice : { type: "tool", toolName: toolChoice.name } }),
    ...(outputMaximum === undefined ? {} : { maxOutputTokens: provider.thinksBeside ? outputMaximum - reasoningTokens : outputMaximum }),
    ...(wanted.temperature === undefined ? {} : { temperature: wanted.temperature }),
    ...(wanted.topP === undefined ? {} : { topP: wanted.topP }),
    ...(wanted.topK === undefined ? {} : { topK: wanted.topK }),
    ...(wanted.seed === undefined ? {} : { seed: wanted.seed }),
    ...(wanted.stop === undefined ? {} : { stopSequences: [...wanted.stop] }),
    ...(wanted.presencePenalty === undefined ? {} : { presencePenalty: wanted.presencePenalty }),
    ...(wanted.frequencyPenalty === undefined ? {} : { frequencyPenalty: wanted.frequencyPenalty }),
    ...(wanted.jsonSchema === undefined ? {} : { output: Output.object({ schema: jsonSchema(wanted.jsonSchema) }) }),
    providerOptions: { [provider.name]: options },
  };
}

/** Results are messages of their own, in front of what the user says beside them. */
function buildTurn({ role, parts }: Turn, turns: readonly Turn[], provider: Provider): ModelMessage[] {
  const written = parts.map((part, index) => buildPart(part, parts[index - 1], turns, provider));
  const results = written.filter(({ type }) => type === "tool-result");
  const rest = written.filter(({ type }) => type !== "tool-result");
  return [...(results.length === 0 ? [] : [{ role: "tool", content: results }]), ...(rest.length === 0 ? [] : [{ role, content: rest }])] as ModelMessage[];
}

function buildPart(part: Part, before: Part | undefined, turns: readonly Turn[], provider: Provider): { readonly type: string } {
  const options = optionsOf(part, before, provider);
  return { ...contentOf(part, turns), ...(options === undefined ? {} : { providerOptions: { [provider.name]: options } }) };
}

function optionsOf(part: Part, before: Part | undefined, { cacheEnd, signature }: Provider): Options | undefined {
  if ("text" in part && part.isCacheEnd === true) return cacheEnd;
  const thought = signature?.stands === "on the thought" ? part : before;
  return thought !== undefined && "reasoning" in thought ? signature?.write(thought.signature, thought.reasoning) : undefined;
}

function contentOf(part: Part, turns: readonly Turn[]): { readonly type: string; readonly [member: string]: unknown } {
  if ("text" in part) return { type: "text", text: part.text };
  if ("image" in part) return { type: "file", mediaType: "image/png", data: dataOf(part.image) };
  if ("document" in part) return { type: "file", mediaType: "application/pdf", filename: "page.pdf", data: dataOf(part.document) };
  if ("call" in part) return { type: "tool-call", toolCallId: part.call.id, toolName: part.call.name, input: part.call.input };
  if ("reasoning" in part) return { type: "reasoning", text: part.reasoning };
  const { id, text, isError } = part.result;
  return { type: "tool-result", toolCallId: id, toolName: nameOf(id, turns), output: { type: isError === undefined ? "text" : "error-text", value: text } };
}

function dataOf(url: string): string | URL {
  return url.startsWith("data:") ? url.slice(url.indexOf(",") + 1) : new URL(url);
}

function nameOf(callId: string, turns: readonly Turn[]): string {
  return turns.flatMap(({ parts }) => parts.flatMap((part) => ("call" in part && part.call.id === callId ? [part.call.name] : [])))[0]!;
}

/** Its errors come as parts of the stream. */
async function hearStream(asked: Parameters<typeof streamText>[0], provider: Provider): Promise<Heard> {
  const result = streamText({ ...asked, onError: () => undefined });
  for await (const part of result.stream) if (part.type === "error") throw part.error;
  const { content, finishReason, usage, warnings, response } = result;
  return hear({ content: await content, finishReason: await finishReason, usage: await usage, warnings: await warnings, response: await response }, provider);
}

type Result = Pick<Awaited<ReturnType<typeof generateText>>, "content" | "finishReason" | "usage" | "warnings" | "response">;

function hear({ content, finishReason, usage, warnings, response }: Result, { name, signature }: Provider): Heard {
  const text = content.map((part) => (part.type === "text" ? part.text : "")).join("");
  const thought = content.map((part) => (part.type === "reasoning" ? part.text : "")).join("");
  const signatures = content.map((part) => {
    const metadata = "providerMetadata" in part ? part.providerMetadata?.[name] : undefined;
    return metadata === undefined ? "" : (signature?.read(metadata as Options) ?? "");
  });
  const calls = content.flatMap((part) => (part.type === "tool-call" ? [{ id: part.toolCallId, name: part.toolName, input: part.input as object }] : []));
  return {
    answer: {
      ...(text === "" ? {} : { text }),
      ...(thought === "" ? {} : { reasoning: { text: thought, signature: signatures.join("") } }),
      ...(calls.length === 0 ? {} : { calls }),
      finish: finishWords[finishReason] ?? ("none" as never),
      usage: { input: usage.inputTokens ?? -1, cached: usage.inputTokenDetails.cacheReadTokens ?? 0, output: usage.outputTokens ?? -1, reasoning: usage.outputTokenDetails.reasoningTokens ?? 0 },
    },
    warnings: response.headers?.["x-weir-warnings"] ?? "",
    ...(warnings === undefined || warnings.length === 0 ? {} : { unsaid: JSON.stringify(warnings) }),
  };
}

const finishWords: Readonly<Partial<Record<FinishReason, Answer["finish"]>>> = { stop: "stop", length: "length", "tool-calls": "calls", "content-filter": "refused" };
