/** Owns tools, and the choice among them, on the way to Responses. */
import { ToolChoice_Mode, type Tool, type ToolChoice } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { parseEmbeddedJson } from "../../../domain/translation/embedded-json.ts";
import type { JsonObject } from "../../../domain/translation/vendor-json.ts";
import type { Warnings } from "../../../domain/translation/warnings.ts";
import { flat } from "./flat-member.ts";
import { responsesDialect } from "./build-input.ts";

/** The members of the request for its tools. */
export function buildResponsesTools({ tools, toolChoice, parallelToolCalls }: Generation, warnings: Warnings): JsonObject {
  const built = tools.flatMap((tool) => buildTool(tool, warnings) ?? []);
  const choice = toolChoice === undefined ? undefined : buildChoice(toolChoice, tools);
  // Refused without tools, where they say nothing; a choice that asks for a tool does, and is the vendor's to refuse.
  const saysNothing = built.length === 0 && (choice === "auto" || choice === "none");
  return {
    ...(built.length === 0 ? {} : { tools: built }),
    ...(choice === undefined || saysNothing ? {} : { tool_choice: choice }),
    ...(parallelToolCalls === undefined || built.length === 0 ? {} : { parallel_tool_calls: parallelToolCalls }),
  };
}

function buildTool({ kind, cacheMarker }: Tool, warnings: Warnings): JsonObject | undefined {
  if (cacheMarker !== undefined) warnings.add("tools.cache_marker", "The vendor caches prompts on its own; the marker is left out.");
  switch (kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema, strict } = kind.value;
      const parameters = parametersJsonSchema === "" ? null : parseEmbeddedJson(parametersJsonSchema, "tools.function.parameters_json_schema");
      // All are wanted here, and a `strict` of null means what its absence means in Chat Completions.
      return { type: "function", name, ...(description === "" ? {} : { description }), parameters, strict: strict ?? null };
    }
    case "custom": {
      const { name, description, formatJson } = kind.value;
      const format = formatJson.length === 0 ? {} : { format: flat(parseEmbeddedJson(formatJson, "tools.custom.format_json")) };
      return { type: "custom", name, ...(description === "" ? {} : { description }), ...format };
    }
    case "native":
      if (kind.value.dialect === responsesDialect) return parseEmbeddedJson(kind.value.json, "tools.native.json");
      if (kind.value.dialect === "openai") return flat(parseEmbeddedJson(kind.value.json, "tools.native.json"));
      warnings.add("tools.native", `A tool that only speakers of ${kind.value.dialect} know is left out.`);
      return undefined;
    default:
      return undefined;
  }
}

function buildChoice({ mode, name }: ToolChoice, tools: readonly Tool[]): unknown {
  switch (mode) {
    case ToolChoice_Mode.AUTO:
      return "auto";
    case ToolChoice_Mode.NONE:
      return "none";
    case ToolChoice_Mode.REQUIRED:
      return "required";
    case ToolChoice_Mode.NAMED:
      return { type: tools.some(({ kind }) => kind.case === "custom" && kind.value.name === name) ? "custom" : "function", name };
    default:
      return undefined;
  }
}
