/** Owns the reading of tools and of the choice among them, the legacy `functions` included. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ToolChoice_Mode, type Tool, type ToolChoiceSchema, type ToolSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { readCacheMarker } from "./cache-marker.ts";
import { nativePart } from "./native-parts.ts";
import type { ObjectReader } from "../object-reader.ts";

type ToolInit = Exclude<MessageInitShape<typeof ToolSchema>, Tool>;
type ToolChoiceInit = MessageInitShape<typeof ToolChoiceSchema>;

interface ToolsReading {
  readonly tools: ToolInit[];
  readonly toolChoice: ToolChoiceInit | undefined;
}

export function readTools(body: ObjectReader): ToolsReading {
  const tools = [...body.objects("tools").map(readTool), ...body.objects("functions").map(readFunction)];
  if (body.has("function_call")) return { tools, toolChoice: readLegacyChoice(body) };
  return readChoice(body, tools);
}

/** True when the caller speaks of `functions`, and so expects `function_call` in the reply. */
export function asksForLegacyFunctions(body: { readonly functions?: unknown }): boolean {
  return Array.isArray(body.functions) && body.functions.length > 0;
}

function readTool(tool: ObjectReader): ToolInit {
  switch (tool.text("type")) {
    case "function":
      return { ...readFunction(tool.object("function")), ...readMarker(tool) };
    case "custom":
      return { ...readCustom(tool.object("custom")), ...readMarker(tool) };
    default:
      return nativePart("openai", tool.rawMembers());
  }
}

function readMarker(tool: ObjectReader): Pick<ToolInit, "cacheMarker"> {
  const cacheMarker = readCacheMarker(tool);
  return cacheMarker === undefined ? {} : { cacheMarker };
}

function readFunction(definition: ObjectReader): ToolInit {
  const parameters = definition.optionalObject("parameters")?.rawMembers();
  return {
    kind: {
      case: "function",
      value: {
        name: definition.text("name"),
        description: definition.optionalText("description") ?? "",
        parametersJsonSchema: parameters === undefined ? "" : JSON.stringify(parameters),
        strict: definition.optionalBoolean("strict"),
      },
    },
  };
}

function readCustom(definition: ObjectReader): ToolInit {
  const format = definition.optionalObject("format")?.rawMembers();
  return {
    kind: {
      case: "custom",
      value: {
        name: definition.text("name"),
        description: definition.optionalText("description") ?? "",
        formatJson: format === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(format)),
      },
    },
  };
}

function readChoice(body: ObjectReader, tools: ToolInit[]): ToolsReading {
  const choice = body.raw("tool_choice");
  if (choice === undefined) return { tools, toolChoice: undefined };
  if (typeof choice === "string") return { tools, toolChoice: { mode: readMode(body, "tool_choice", choice) } };
  const named = body.object("tool_choice");
  const type = named.text("type");
  if (type === "allowed_tools") return readAllowedTools(named.object("allowed_tools"), tools);
  if (type !== "function" && type !== "custom") throw named.untranslatable("type", "must be function, custom or allowed_tools to be translated for this target");
  return { tools, toolChoice: { mode: ToolChoice_Mode.NAMED, name: named.object(type).text("name") } };
}

/** Other vendors cannot list tools that may not be asked for, but leaving those out means the same. */
function readAllowedTools(allowed: ObjectReader, tools: ToolInit[]): ToolsReading {
  const names = new Set(
    allowed.objects("tools").map((reference) => {
      const type = reference.text("type");
      if (type !== "function" && type !== "custom") throw reference.untranslatable("type", "must be function or custom to be translated for this target");
      const name = reference.object(type).text("name");
      if (!tools.some((tool) => nameOf(tool) === name)) throw reference.fault(`${type}.name`, "must be one of the request's tools");
      return name;
    }),
  );
  return {
    tools: tools.filter((tool) => names.has(nameOf(tool) ?? "")),
    toolChoice: { mode: readMode(allowed, "mode", allowed.text("mode")) },
  };
}

function readLegacyChoice(body: ObjectReader): ToolChoiceInit {
  const choice = body.raw("function_call");
  if (typeof choice === "string") return { mode: readMode(body, "function_call", choice) };
  return { mode: ToolChoice_Mode.NAMED, name: body.object("function_call").text("name") };
}

function readMode(owner: ObjectReader, field: string, word: string): ToolChoice_Mode {
  if (word === "auto") return ToolChoice_Mode.AUTO;
  if (word === "none") return ToolChoice_Mode.NONE;
  if (word === "required") return ToolChoice_Mode.REQUIRED;
  throw owner.fault(field, "must be auto, none or required, or name a tool");
}

function nameOf({ kind }: ToolInit): string | undefined {
  return kind?.case === "function" || kind?.case === "custom" ? kind.value.name : undefined;
}
