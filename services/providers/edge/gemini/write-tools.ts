/** Owns the writing of tools and of the choice among them. */
import { ToolChoice_Mode, type FunctionTool, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import type { JsonObject } from "../../domain/translation/vendor-json.ts";
import { nativeDialect } from "./reply-json.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";

/** `tools` and `toolConfig`, each absent when there is nothing to say. */
export function writeTools(generation: Generation, warnings: Warnings): { readonly tools?: readonly JsonObject[]; readonly toolConfig?: JsonObject } {
  const { tools, parallelToolCalls } = generation;
  const functions = tools.flatMap((tool, index) => writeFunctionTool(tool, `tools[${index}]`, warnings));
  const written = [...(functions.length === 0 ? [] : [{ functionDeclarations: functions }]), ...tools.flatMap((tool, index) => writeNativeTool(tool, `tools[${index}]`, warnings))];
  if (parallelToolCalls === false && functions.length > 0) warnings.add("parallel_tool_calls", "the model decides how many tools it asks for at once.");
  const config = writeChoice(generation, functions.length > 0);
  return { ...(written.length === 0 ? {} : { tools: written }), ...(config === undefined ? {} : { toolConfig: { functionCallingConfig: config } }) };
}

function writeFunctionTool({ kind, cacheMarker }: Tool, path: string, warnings: Warnings): JsonObject[] {
  if (cacheMarker !== undefined) warnings.add("tools[].cache_marker", "Gemini caches prompts on its own; the marker is left out.");
  switch (kind.case) {
    case "function":
      return [writeFunction(kind.value, path)];
    case "custom":
      warnings.add(path, "tools that take free text are not known there; it is left out.");
      return [];
    case "native":
      return [];
    default:
      throw unsupportedField("Gemini", path, "the tool says nothing.");
  }
}

/** Google's own tools: search, code execution and the like. */
function writeNativeTool({ kind }: Tool, path: string, warnings: Warnings): JsonObject[] {
  if (kind.case !== "native") return [];
  if (kind.value.dialect === nativeDialect) return [parseEmbeddedJson(kind.value.json, `${path}.native.json`)];
  warnings.add(path, `a tool in the form of "${kind.value.dialect}" is not known there; it is left out.`);
  return [];
}

function writeFunction(tool: FunctionTool, path: string): JsonObject {
  return {
    name: tool.name,
    ...(tool.description === "" ? {} : { description: tool.description }),
    ...(tool.parametersJsonSchema === "" ? {} : { parametersJsonSchema: parseEmbeddedJson(tool.parametersJsonSchema, `${path}.parameters_json_schema`) }),
  };
}

/**
 * A strict tool has no field of its own: the mode VALIDATED holds the model to the schemas where it is free to choose,
 * and ANY does so by itself. Source: https://ai.google.dev/gemini-api/docs/function-calling#function_calling_modes.
 */
function writeChoice({ toolChoice, tools }: Generation, hasFunctions: boolean): JsonObject | undefined {
  const isStrict = tools.some(({ kind }) => kind.case === "function" && kind.value.strict === true);
  switch (toolChoice?.mode) {
    case ToolChoice_Mode.REQUIRED:
      return { mode: "ANY" };
    case ToolChoice_Mode.NAMED:
      return { mode: "ANY", allowedFunctionNames: [toolChoice.name] };
    case ToolChoice_Mode.NONE:
      return hasFunctions ? { mode: "NONE" } : undefined;
    case ToolChoice_Mode.AUTO:
      return hasFunctions ? { mode: isStrict ? "VALIDATED" : "AUTO" } : undefined;
    default:
      return isStrict ? { mode: "VALIDATED" } : undefined;
  }
}
