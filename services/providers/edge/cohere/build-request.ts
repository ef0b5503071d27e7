/** Owns the way from types to the body of a Chat request; its members stand in a fixed order, so that a retry has the same bytes. */
import { ReasoningOptions_Effort, ToolChoice_Mode, type OutputFormat, type ReasoningOptions, type Sampling, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { spliceJson } from "#platform/formats/json.ts";
import { warnOfOptions, type Option } from "../../domain/translation/asked-options.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { describedSchema } from "../../domain/translation/described-schema.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { nativeDialect, writeConversation } from "./write-messages.ts";

/** What Cohere has nothing like. */
const lacking: readonly Option[] = ["sampling.logit_bias", "parallel_tool_calls", "top_logprobs", "service_tier", "modalities", "audio", "end_user", "metadata", "store", "verbosity", "prompt_cache_key", "candidate_count"];

const path = "/chat";

/** Throws UNSUPPORTED_FIELD for content Cohere cannot take, and for everything else it cannot honour when strict. */
export function buildRequest(generation: Generation, model: string, stream: boolean): VendorRequest {
  const warnings = new Warnings("Cohere", generation.strict);
  warnOfOptions("Cohere", lacking, generation, warnings);
  const { messages, documents } = writeConversation(generation.messages, warnings);
  const body = {
    model,
    messages,
    ...(documents.length === 0 ? {} : { documents }),
    ...writeTools(generation, warnings),
    ...writeFormat(generation.outputFormat),
    ...writeThinking(generation.reasoning, warnings),
    ...writeSampling(generation.sampling, warnings),
    ...present("max_tokens", generation.maxOutputTokens === undefined ? undefined : Number(generation.maxOutputTokens)),
    ...(generation.stopSequences.length === 0 ? {} : { stop_sequences: generation.stopSequences }),
    ...(generation.logprobs ? { logprobs: true } : {}),
    ...(stream ? { stream: true } : {}),
  };
  return vendorRequest(Buffer.from(JSON.stringify(body)), warnings);
}

/** The caller's own bytes. Usage stands in every stream unasked, so nothing is withheld. */
export function buildNativeRequest(body: Uint8Array, model: string, _stream: boolean, outputMaximum?: number): VendorRequest {
  return vendorRequest(spliceJson(body, { model, max_tokens: outputMaximum }), new Warnings("Cohere", false));
}

function vendorRequest(body: Uint8Array, { list }: Warnings): VendorRequest {
  return { path, headers: {}, body, warnings: list, withholdUsage: false };
}

function writeTools({ tools, toolChoice }: Generation, warnings: Warnings): object {
  // There is no way to name a tool; where the named one is the only one and a tool is required, it is the one.
  const offered = toolChoice?.mode === ToolChoice_Mode.NAMED ? tools.filter(({ kind }) => kind.case === "function" && kind.value.name === toolChoice.name) : tools;
  const written = offered.flatMap((tool) => writeTool(tool, warnings));
  if (offered.length < tools.length) warnings.add("tool_choice", "Cohere cannot be told which tool to call; it is given that tool alone, and must call one.");
  const choice = toolChoices.get(toolChoice?.mode ?? ToolChoice_Mode.UNSPECIFIED);
  return {
    ...(written.length === 0 ? {} : { tools: written, ...writeStrictness(offered, warnings) }),
    ...present("tool_choice", choice),
  };
}

const toolChoices: ReadonlyMap<ToolChoice_Mode, string> = new Map<ToolChoice_Mode, string>([
  [ToolChoice_Mode.NONE, "NONE"],
  [ToolChoice_Mode.REQUIRED, "REQUIRED"],
  [ToolChoice_Mode.NAMED, "REQUIRED"],
]);

function writeTool({ kind, cacheMarker }: Tool, warnings: Warnings): object[] {
  if (cacheMarker !== undefined) warnings.add("tools.cache_marker", "Cohere caches prompts on its own; the marker is left out.");
  switch (kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema } = kind.value;
      // Cohere wants parameters, also where there are none.
      const parameters = parametersJsonSchema === "" ? { type: "object", properties: {} } : parseEmbeddedJson(parametersJsonSchema, "tools.function.parameters_json_schema");
      return [{ type: "function", function: { name, ...(description === "" ? {} : { description }), parameters } }];
    }
    case "native":
      if (kind.value.dialect === nativeDialect) return [parseEmbeddedJson(kind.value.json, "tools.native.json")];
      warnings.add("tools.native", `A tool that only speakers of ${kind.value.dialect} know is left out.`);
      return [];
    case "custom":
      warnings.add("tools.custom", "Cohere knows no tools that take free text; it is left out.");
      return [];
    default:
      return [];
  }
}

/** Strictness is for all tools or none. */
function writeStrictness(tools: readonly Tool[], warnings: Warnings): object {
  const asked = tools.flatMap(({ kind }) => (kind.case === "function" && kind.value.strict !== undefined ? [kind.value.strict] : []));
  if (asked.length === 0) return {};
  const strict = asked.includes(true);
  const isMixed = strict && tools.some(({ kind }) => kind.case === "function" && kind.value.strict !== true);
  if (isMixed) warnings.add("tools.function.strict", "Cohere holds the model to the schemas of all tools or of none; it is told to for all.");
  return { strict_tools: strict };
}

/** A schema's name and strictness are no part of Cohere's form: it always holds the model to the schema. */
function writeFormat(format: OutputFormat | undefined): object {
  switch (format?.kind.case) {
    case "text":
      return { response_format: { type: "text" } };
    case "jsonObject":
      return { response_format: { type: "json_object" } };
    case "jsonSchema": {
      const { jsonSchema, description } = format.kind.value;
      return { response_format: { type: "json_object", json_schema: describedSchema(jsonSchema || "{}", description) } };
    }
    default:
      return {};
  }
}

/**
 * Cohere takes a bound in tokens and no levels; the levels are the bounds that the way back maps to them (see openai/chat/build-reasoning.ts).
 * Without a bound the model reasons as much as it likes. Source: https://docs.cohere.com/docs/reasoning.
 */
function writeThinking(reasoning: ReasoningOptions | undefined, warnings: Warnings): object {
  if (reasoning === undefined) return {};
  const { effort, budgetTokens, adaptive, includeText } = reasoning;
  if (includeText === false) warnings.add("reasoning.include_text", "Cohere shows the reasoning whenever there is any.");
  if (effort === ReasoningOptions_Effort.NONE || budgetTokens === 0n) return { thinking: { type: "disabled" } };
  if (budgetTokens !== undefined) return { thinking: { type: "enabled", token_budget: Number(budgetTokens) } };
  if (effort === ReasoningOptions_Effort.UNSPECIFIED) return adaptive ? { thinking: { type: "enabled" } } : {};
  const budget = budgets.get(effort);
  warnings.add("reasoning.effort", `Cohere has no levels; ${budget === undefined ? "it reasons without a bound" : `a bound of ${budget} tokens is set`}.`);
  return { thinking: { type: "enabled", ...present("token_budget", budget) } };
}

const budgets: ReadonlyMap<ReasoningOptions_Effort, number> = new Map<ReasoningOptions_Effort, number>([
  [ReasoningOptions_Effort.MINIMAL, 1_024],
  [ReasoningOptions_Effort.LOW, 2_048],
  [ReasoningOptions_Effort.MEDIUM, 8_192],
]);

/** The ranges stand in V2ChatRequest of https://github.com/cohere-ai/cohere-typescript, that of the temperature in https://docs.cohere.com/reference/errors. */
function writeSampling(sampling: Sampling | undefined, warnings: Warnings): object {
  if (sampling === undefined) return {};
  const within = (field: string, value: number | undefined, least: number, most: number): number | undefined => {
    if (value === undefined || (value >= least && value <= most)) return value;
    const nearest = Math.min(Math.max(value, least), most);
    warnings.add(`sampling.${field}`, `Cohere's range is ${least} to ${most}; ${nearest} is sent instead of ${value}.`);
    return nearest;
  };
  return {
    ...present("temperature", within("temperature", sampling.temperature, 0, 1)),
    ...present("p", within("top_p", sampling.topP, 0.01, 0.99)),
    ...present("k", within("top_k", sampling.topK === undefined ? undefined : Number(sampling.topK), 0, 500)),
    ...present("presence_penalty", within("presence_penalty", sampling.presencePenalty, 0, 1)),
    ...present("frequency_penalty", within("frequency_penalty", sampling.frequencyPenalty, 0, 1)),
    ...writeSeed(sampling.seed, warnings),
  };
}

function writeSeed(seed: bigint | undefined, warnings: Warnings): object {
  if (seed === undefined) return {};
  const number = Number(seed);
  if (Number.isSafeInteger(number)) return { seed: number };
  warnings.add("sampling.seed", "JSON cannot carry a seed beyond 2^53; it is left out.");
  return {};
}

function present(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}
