/** Owns the writing of tools and of the choice among them. */
import { ToolChoice_Mode, type FunctionTool, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { nativeDialect, writeCacheMarker } from "./write-content.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import { heldSchema } from "../../domain/translation/held-schema.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";
import type { Block } from "../../domain/translation/turns.ts";

/** `tools` and `tool_choice`, each absent when there is nothing to say. */
export function writeTools(generation: Generation, warnings: Warnings): { readonly tools?: readonly Block[]; readonly tool_choice?: Block } {
  const tools = generation.tools.flatMap((tool, index) => writeTool(tool, `tools[${index}]`, warnings));
  const choice = writeToolChoice(generation, tools.length > 0);
  return { ...(tools.length === 0 ? {} : { tools }), ...(choice === undefined ? {} : { tool_choice: choice }) };
}

function writeTool(tool: Tool, path: string, warnings: Warnings): Block[] {
  switch (tool.kind.case) {
    case "function":
      return [{ ...writeFunction(tool.kind.value, path, warnings), ...writeCacheMarker(tool.cacheMarker) }];
    case "native":
      if (tool.kind.value.dialect !== nativeDialect) {
        warnings.add(path, `a tool in the form of "${tool.kind.value.dialect}" is not known there; it is left out.`);
        return [];
      }
      return [{ ...(JSON.parse(Buffer.from(tool.kind.value.json).toString("utf8")) as Block), ...writeCacheMarker(tool.cacheMarker) }];
    case "custom":
      warnings.add(path, "tools that take free text are not known there; it is left out.");
      return [];
    default:
      throw unsupportedField("Anthropic", path, "the tool says nothing.");
  }
}

function writeFunction(tool: FunctionTool, path: string, warnings: Warnings): Block {
  return {
    name: tool.name,
    ...(tool.description === "" ? {} : { description: tool.description }),
    input_schema: writeParameters(tool, path, warnings),
    ...(tool.strict === undefined ? {} : { strict: tool.strict }),
  };
}

/** Anthropic wants the type said, and of a strict tool a schema that it can hold the model to. */
function writeParameters({ parametersJsonSchema, strict }: FunctionTool, path: string, warnings: Warnings): Block {
  const field = `${path}.parameters_json_schema`;
  const schema = { type: "object", ...(parametersJsonSchema === "" ? {} : parseEmbeddedJson(parametersJsonSchema, field)) };
  return strict === true ? heldSchema(schema, field, warnings) : schema;
}

function writeToolChoice({ toolChoice, parallelToolCalls }: Generation, hasTools: boolean): Block | undefined {
  const parallel = parallelToolCalls === undefined ? {} : { disable_parallel_tool_use: !parallelToolCalls };
  switch (toolChoice?.mode) {
    case ToolChoice_Mode.REQUIRED:
      return { type: "any", ...parallel };
    case ToolChoice_Mode.NAMED:
      return { type: "tool", name: toolChoice.name, ...parallel };
    case ToolChoice_Mode.NONE:
      return hasTools ? { type: "none" } : undefined;
    case ToolChoice_Mode.AUTO:
      return hasTools ? { type: "auto", ...parallel } : undefined;
    default:
      return hasTools && parallelToolCalls !== undefined ? { type: "auto", ...parallel } : undefined;
  }
}
