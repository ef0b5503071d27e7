/** Owns the writing of tools and of the choice among them. */
import { ToolChoice_Mode, type FunctionTool, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { nativeDialect, parseNative, writeCachePoint } from "./write-content.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import { heldSchema } from "../../domain/translation/held-schema.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";
import type { Block, Turn } from "../../domain/translation/turns.ts";

export interface ToolFields {
  readonly toolConfig?: Block;
  /** What the model itself is told in `additionalModelRequestFields`. */
  readonly additional: Block;
}

/** Each empty when there is nothing to say. */
export function writeTools(generation: Generation, turns: readonly Turn[], model: string, warnings: Warnings): ToolFields {
  const toolConfig = writeToolConfig(generation, turns, warnings);
  if (toolConfig === undefined || generation.parallelToolCalls !== false) return { ...(toolConfig === undefined ? {} : { toolConfig }), additional: {} };
  const { toolChoice, ...rest } = toolConfig;
  if (!takesOneCallAtATime.test(model) || (toolChoice !== undefined && !("auto" in (toolChoice as Block)))) {
    warnings.add("parallel_tool_calls", "the model decides how many tools it asks for at once.");
    return { toolConfig, additional: {} };
  }
  return { toolConfig: rest, additional: { tool_choice: { type: "auto", disable_parallel_tool_use: true } } };
}

/**
 * Claude from 4.5 on, which takes Anthropic's own field as long as Converse's says nothing, and so not beside a choice that is forced:
 * https://github.com/BerriAI/litellm/pull/34347 and https://github.com/BerriAI/litellm/issues/36536.
 */
const takesOneCallAtATime = /claude-(?!instant|v\d|3-|(opus|sonnet)-4-(1-)?20)/;

function writeToolConfig(generation: Generation, turns: readonly Turn[], warnings: Warnings): Block | undefined {
  const tools = generation.tools.flatMap((tool, index) => writeTool(tool, `tools[${index}]`, warnings));
  const named = namesOfCalls(turns);
  if (tools.length === 0) {
    if (named.length === 0) return undefined;
    // Else Bedrock refuses the request: "The toolConfig field must be defined when using toolUse and toolResult content blocks."
    warnings.add("tools", "a conversation with tool calls is taken with tools alone; those that it names are declared, without their parameters.");
    return { tools: named.map((name) => ({ toolSpec: { name, inputSchema: { json: { type: "object" } } } })) };
  }
  if (generation.toolChoice?.mode === ToolChoice_Mode.NONE) {
    if (named.length === 0) {
      warnings.add("tools", "it cannot forbid tools; they are left out, so that none is called.");
      return undefined;
    }
    warnings.add("tool_choice", "it cannot forbid the tools of a conversation that has used them; the model decides.");
  }
  const choice = writeToolChoice(generation);
  return { tools, ...(choice === undefined ? {} : { toolChoice: choice }) };
}

function writeTool(tool: Tool, path: string, warnings: Warnings): Block[] {
  switch (tool.kind.case) {
    case "function":
      return [writeFunction(tool.kind.value, path, warnings), ...writeCachePoint(tool.cacheMarker)];
    case "native":
      if (tool.kind.value.dialect !== nativeDialect) {
        warnings.add(path, `a tool in the form of "${tool.kind.value.dialect}" is not known there; it is left out.`);
        return [];
      }
      return [parseNative(tool.kind.value, path), ...writeCachePoint(tool.cacheMarker)];
    case "custom":
      warnings.add(path, "tools that take free text are not known there; it is left out.");
      return [];
    default:
      throw unsupportedField("Bedrock", path, "the tool says nothing.");
  }
}

function writeFunction(tool: FunctionTool, path: string, warnings: Warnings): Block {
  return {
    toolSpec: {
      name: tool.name,
      ...(tool.description === "" ? {} : { description: tool.description }),
      inputSchema: { json: writeParameters(tool, path, warnings) },
      ...(tool.strict === undefined ? {} : { strict: tool.strict }),
    },
  };
}

/** Bedrock wants the type said, and of a strict tool a schema that it can hold the model to. */
function writeParameters({ parametersJsonSchema, strict }: FunctionTool, path: string, warnings: Warnings): Block {
  const field = `${path}.parameters_json_schema`;
  const schema = { type: "object", ...(parametersJsonSchema === "" ? {} : parseEmbeddedJson(parametersJsonSchema, field)) };
  return strict === true ? heldSchema(schema, field, warnings) : schema;
}

function writeToolChoice({ toolChoice }: Generation): Block | undefined {
  switch (toolChoice?.mode) {
    case ToolChoice_Mode.AUTO:
      return { auto: {} };
    case ToolChoice_Mode.REQUIRED:
      return { any: {} };
    case ToolChoice_Mode.NAMED:
      return { tool: { name: toolChoice.name } };
    default:
      return undefined;
  }
}

/** The tools that the conversation calls, each once. */
function namesOfCalls(turns: readonly Turn[]): readonly string[] {
  const names = turns.flatMap(({ content }) => content.flatMap(({ toolUse }) => (toolUse as { readonly name: string } | undefined)?.name ?? []));
  return [...new Set(names)];
}
