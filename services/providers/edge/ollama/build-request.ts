/** Owns the way from types to the body of a Chat request; its members stand in a fixed order, so that a retry has the same bytes. */
import { ReasoningOptions_Effort, ToolChoice_Mode, type OutputFormat, type ReasoningOptions, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { InnerSplices, spliceJson } from "#platform/formats/json.ts";
import { warnOfOptions, type Option } from "../../domain/translation/asked-options.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { describedSchema } from "../../domain/translation/described-schema.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { nativeDialect, writeMessages } from "./write-messages.ts";

/** What Ollama has nothing like. */
const lacking: readonly Option[] = ["sampling.logit_bias", "parallel_tool_calls", "service_tier", "modalities", "audio", "end_user", "metadata", "store", "verbosity", "prompt_cache_key", "candidate_count"];

const path = "/api/chat";

/** Throws UNSUPPORTED_FIELD for content Ollama cannot take, and for everything else it cannot honour when strict. */
export function buildRequest(generation: Generation, model: string, stream: boolean): VendorRequest {
  const warnings = new Warnings("Ollama", generation.strict);
  warnOfOptions("Ollama", lacking, generation, warnings);
  const options = writeOptions(generation, warnings);
  const body = {
    model,
    messages: writeMessages(generation.messages, warnings),
    ...writeTools(generation, warnings),
    ...writeFormat(generation.outputFormat),
    ...writeThink(generation.reasoning, warnings),
    ...(Object.keys(options).length === 0 ? {} : { options }),
    ...(generation.logprobs ? { logprobs: true } : {}),
    ...present("top_logprobs", generation.topLogprobs),
    // Ollama streams unless it is told not to.
    stream,
  };
  return vendorRequest(Buffer.from(JSON.stringify(body)), warnings);
}

/** The caller's own bytes. A body without a word on it asks for a stream. Usage stands in every stream, so nothing is withheld. */
export function buildNativeRequest(body: Uint8Array, model: string, stream: boolean, outputMaximum?: number): VendorRequest {
  return vendorRequest(spliceJson(body, { model, stream: stream ? undefined : false, options: outputMaximum === undefined ? undefined : new InnerSplices({ num_predict: outputMaximum }) }), new Warnings("Ollama", false));
}

function vendorRequest(body: Uint8Array, { list }: Warnings): VendorRequest {
  return { path, headers: {}, body, warnings: list, withholdUsage: false };
}

/** Source: Options in https://github.com/ollama/ollama/blob/main/api/types.go. */
function writeOptions({ sampling, maxOutputTokens, stopSequences }: Generation, warnings: Warnings): object {
  return {
    ...present("num_predict", maxOutputTokens === undefined ? undefined : Number(maxOutputTokens)),
    ...present("temperature", sampling?.temperature),
    ...present("top_p", sampling?.topP),
    ...present("top_k", sampling?.topK === undefined ? undefined : Number(sampling.topK)),
    ...present("presence_penalty", sampling?.presencePenalty),
    ...present("frequency_penalty", sampling?.frequencyPenalty),
    ...writeSeed(sampling?.seed, warnings),
    ...(stopSequences.length === 0 ? {} : { stop: stopSequences }),
  };
}

function writeSeed(seed: bigint | undefined, warnings: Warnings): object {
  if (seed === undefined) return {};
  const number = Number(seed);
  if (Number.isSafeInteger(number)) return { seed: number };
  warnings.add("sampling.seed", "JSON cannot carry a seed beyond 2^53; it is left out.");
  return {};
}

/** Ollama lets the model choose among its tools; to keep it from them, they are left out. */
function writeTools({ tools, toolChoice }: Generation, warnings: Warnings): object {
  if (toolChoice?.mode === ToolChoice_Mode.NONE) return {};
  if (toolChoice?.mode === ToolChoice_Mode.REQUIRED || toolChoice?.mode === ToolChoice_Mode.NAMED) {
    warnings.add("tool_choice", "Ollama cannot make a model use a tool; it may.");
  }
  const written = tools.flatMap((tool) => writeTool(tool, warnings));
  return written.length === 0 ? {} : { tools: written };
}

function writeTool({ kind, cacheMarker }: Tool, warnings: Warnings): object[] {
  if (cacheMarker !== undefined) warnings.add("tools.cache_marker", "Ollama caches prompts on its own; the marker is left out.");
  switch (kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema, strict } = kind.value;
      if (strict === true) warnings.add("tools.function.strict", "Ollama does not hold a model to the schemas of tools.");
      const parameters = parametersJsonSchema === "" ? { type: "object", properties: {} } : parseEmbeddedJson(parametersJsonSchema, "tools.function.parameters_json_schema");
      return [{ type: "function", function: { name, ...(description === "" ? {} : { description }), parameters } }];
    }
    case "native":
      if (kind.value.dialect === nativeDialect) return [parseEmbeddedJson(kind.value.json, "tools.native.json")];
      warnings.add("tools.native", `A tool that only speakers of ${kind.value.dialect} know is left out.`);
      return [];
    case "custom":
      warnings.add("tools.custom", "Ollama knows no tools that take free text; it is left out.");
      return [];
    default:
      return [];
  }
}

/** A schema's name and strictness are no part of Ollama's form: it always holds the model to the schema. */
function writeFormat(format: OutputFormat | undefined): object {
  switch (format?.kind.case) {
    case "jsonObject":
      return { format: "json" };
    case "jsonSchema": {
      const { jsonSchema, description } = format.kind.value;
      return { format: jsonSchema === "" ? "json" : describedSchema(jsonSchema, description) };
    }
    default:
      return {};
  }
}

/** Models without levels take every level for "yes". Source: ThinkValue in https://github.com/ollama/ollama/blob/main/api/types.go. */
function writeThink(reasoning: ReasoningOptions | undefined, warnings: Warnings): object {
  if (reasoning === undefined) return {};
  const { effort, budgetTokens, adaptive, includeText } = reasoning;
  if (includeText === false) warnings.add("reasoning.include_text", "Ollama shows the reasoning whenever there is any.");
  if (effort === ReasoningOptions_Effort.NONE || budgetTokens === 0n) return { think: false };
  if (budgetTokens !== undefined) warnings.add("reasoning.budget_tokens", "Ollama takes no bound in tokens; the model reasons as much as it likes.");
  const level = levels.get(effort);
  if (level === undefined) return budgetTokens !== undefined || adaptive || includeText === true ? { think: true } : {};
  if (!level.isExact) warnings.add("reasoning.effort", `Ollama has no such level; "${level.think}" is sent instead.`);
  return { think: level.think };
}

const levels: ReadonlyMap<ReasoningOptions_Effort, { readonly think: string; readonly isExact: boolean }> = new Map([
  [ReasoningOptions_Effort.MINIMAL, { think: "low", isExact: false }],
  [ReasoningOptions_Effort.LOW, { think: "low", isExact: true }],
  [ReasoningOptions_Effort.MEDIUM, { think: "medium", isExact: true }],
  [ReasoningOptions_Effort.HIGH, { think: "high", isExact: true }],
  [ReasoningOptions_Effort.EXTRA_HIGH, { think: "high", isExact: false }],
  [ReasoningOptions_Effort.MAXIMUM, { think: "max", isExact: true }],
]);

function present(name: string, value: unknown): object {
  return value === undefined ? {} : { [name]: value };
}
