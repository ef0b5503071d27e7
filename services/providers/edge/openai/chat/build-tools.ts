/** Owns tools, and the choice among them, on the way to Chat Completions. */
import { ToolChoice_Mode, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { parseEmbeddedJson } from "../../../domain/translation/embedded-json.ts";
import type { Warnings } from "../../../domain/translation/warnings.ts";
import type { OpenaiQuirks } from "../compatible/quirks.ts";

export interface ToolMembers {
  readonly tools?: readonly object[];
  readonly tool_choice?: unknown;
  readonly parallel_tool_calls?: boolean;
}

/** The members of the request for its tools. */
export function buildTools({ tools, toolChoice, parallelToolCalls }: Generation, warnings: Warnings, quirks: OpenaiQuirks): ToolMembers {
  const built = tools.flatMap((tool) => buildTool(tool, warnings, quirks) ?? []);
  const choice = toolChoice === undefined ? undefined : buildChoice(toolChoice.mode, toolChoice.name, tools, quirks);
  // OpenAI and others refuse these two without tools, where they say nothing; a choice that asks for a tool does, and is theirs to refuse.
  const saysNothing = built.length === 0 && (choice === "auto" || choice === "none");
  return {
    ...(built.length === 0 ? {} : { tools: built }),
    ...(choice === undefined || saysNothing ? {} : { tool_choice: choice }),
    ...(parallelToolCalls === undefined || built.length === 0 ? {} : { parallel_tool_calls: parallelToolCalls }),
  };
}

function buildTool({ kind, cacheMarker }: Tool, warnings: Warnings, quirks: OpenaiQuirks): object | undefined {
  if (cacheMarker !== undefined) warnings.add("tools.cache_marker", "The vendor caches prompts on its own; the marker is left out.");
  switch (kind.case) {
    case "function": {
      const { name, description, parametersJsonSchema, strict } = kind.value;
      return {
        type: "function",
        function: {
          name,
          ...(description === "" ? {} : { description }),
          ...(parametersJsonSchema === "" && quirks.needsToolParameters ? { parameters: { type: "object", properties: {} } } : {}),
          ...(parametersJsonSchema === "" ? {} : { parameters: parseEmbeddedJson(parametersJsonSchema, "tools.function.parameters_json_schema") }),
          ...(strict === undefined ? {} : { strict }),
        },
      };
    }
    case "custom": {
      if (!quirks.hasCustomTools) {
        warnings.add("tools.custom", "The vendor knows no tools that take free text; it is left out.");
        return undefined;
      }
      const { name, description, formatJson } = kind.value;
      return {
        type: "custom",
        custom: {
          name,
          ...(description === "" ? {} : { description }),
          ...(formatJson.length === 0 ? {} : { format: parseEmbeddedJson(formatJson, "tools.custom.format_json") }),
        },
      };
    }
    case "native":
      if (kind.value.dialect === "openai") return parseEmbeddedJson(kind.value.json, "tools.native.json");
      warnings.add("tools.native", `A tool that only speakers of ${kind.value.dialect} know is left out.`);
      return undefined;
    default:
      return undefined;
  }
}

function buildChoice(mode: ToolChoice_Mode, name: string, tools: readonly Tool[], { requiredToolChoiceWord }: OpenaiQuirks): unknown {
  switch (mode) {
    case ToolChoice_Mode.AUTO:
      return "auto";
    case ToolChoice_Mode.NONE:
      return "none";
    case ToolChoice_Mode.REQUIRED:
      return requiredToolChoiceWord;
    case ToolChoice_Mode.NAMED:
      return tools.some(({ kind }) => kind.case === "custom" && kind.value.name === name) ? { type: "custom", custom: { name } } : { type: "function", function: { name } };
    default:
      return undefined;
  }
}
