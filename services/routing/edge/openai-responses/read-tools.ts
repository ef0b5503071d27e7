/** Owns the reading of tools and of the choice among them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ToolChoice_Mode, type Tool, type ToolChoiceSchema, type ToolSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { nativePart } from "../openai/chat/native-parts.ts";
import type { ObjectReader } from "../openai/object-reader.ts";
import { nativeDialect } from "./native-dialect.ts";
import { freeTextSchema, joinToolName } from "./caller-tools.ts";

type ToolInit = Exclude<MessageInitShape<typeof ToolSchema>, Tool>;

interface ToolsReading {
  readonly tools: ToolInit[];
  readonly toolChoice?: MessageInitShape<typeof ToolChoiceSchema>;
}

/** The tools of the request and those that come as items of its input: other vendors know no tools that come later. */
export function readTools(body: ObjectReader, input: readonly ObjectReader[]): ToolsReading {
  const additional = input.filter((item) => isAdditionalTools(item)).flatMap((item) => item.objects("tools"));
  const tools = newestOfEach([...body.objects("tools"), ...additional].flatMap((tool) => readTool(tool, "")));
  const choice = body.raw("tool_choice");
  if (choice === undefined) return { tools: tools.map(({ tool }) => tool) };
  if (typeof choice === "string") return { tools: tools.map(({ tool }) => tool), toolChoice: { mode: readMode(body, "tool_choice", choice) } };
  return readChoice(body.object("tool_choice"), tools);
}

function isAdditionalTools(item: ObjectReader): boolean {
  return item.optionalText("type") === "additional_tools";
}

/** A tool with what a choice calls it by. */
interface NamedTool {
  readonly tool: ToolInit;
  readonly type: string;
  /** Empty for tools of the vendor. */
  readonly name: string;
}

/** A tool may come again later in the input; vendors refuse two of one name. */
function newestOfEach(tools: readonly NamedTool[]): NamedTool[] {
  const newest = new Map(tools.map((tool) => [tool.name === "" ? tool : tool.name, tool]));
  return [...newest.values()];
}

function readTool(tool: ObjectReader, namespace: string): NamedTool[] {
  const type = tool.text("type");
  switch (type) {
    case "function":
      return [readFunction(tool, namespace)];
    case "custom":
      return [readCustom(tool, namespace)];
    case "namespace": {
      const name = tool.text("name");
      return tool.objects("tools").flatMap((inner) => readTool(inner, name));
    }
    default:
      return [{ tool: nativePart(nativeDialect, tool.rawMembers()), type, name: "" }];
  }
}

function readFunction(definition: ObjectReader, namespace: string): NamedTool {
  const name = joinToolName({ name: definition.text("name"), namespace });
  const parameters = definition.optionalObject("parameters")?.rawMembers();
  readDefaults(definition);
  const value = {
    name,
    description: definition.optionalText("description") ?? "",
    parametersJsonSchema: parameters === undefined ? "" : JSON.stringify(parameters),
    strict: definition.optionalBoolean("strict"),
  };
  return { tool: { kind: { case: "function", value } }, type: "function", name };
}

/** A function of one text, because hardly any vendor but OpenAI itself has tools that take free text. Its grammar is told, not enforced. */
function readCustom(definition: ObjectReader, namespace: string): NamedTool {
  const name = joinToolName({ name: definition.text("name"), namespace });
  readDefaults(definition);
  const description = [definition.optionalText("description") ?? "", readGrammar(definition)].filter((text) => text !== "").join("\n\n");
  return { tool: { kind: { case: "function", value: { name, description, parametersJsonSchema: freeTextSchema } } }, type: "custom", name };
}

function readGrammar(definition: ObjectReader): string {
  const format = definition.optionalObject("format");
  if (format === undefined || format.text("type") === "text") return "";
  const told = `The input must fit this ${format.text("syntax")} grammar:\n${format.text("definition")}`;
  definition.leaveUnread("format");
  return told;
}

/** Members that ask for nothing when they are false. */
function readDefaults(definition: ObjectReader): void {
  for (const name of ["async", "defer_loading"]) {
    if (definition.raw(name) === true) definition.leaveUnread(name);
  }
}

function readChoice(choice: ObjectReader, tools: readonly NamedTool[]): ToolsReading {
  const type = choice.text("type");
  if (type === "allowed_tools") return readAllowedTools(choice, tools);
  if (type !== "function" && type !== "custom") throw choice.untranslatable("type", "must be function, custom or allowed_tools to be translated for this target");
  return { tools: tools.map(({ tool }) => tool), toolChoice: { mode: ToolChoice_Mode.NAMED, name: nameIn(choice) } };
}

/** Other vendors cannot list tools that may not be asked for, but leaving those out means the same. */
function readAllowedTools(choice: ObjectReader, tools: readonly NamedTool[]): ToolsReading {
  const allowed = choice.objects("tools").flatMap((reference) => {
    const type = reference.text("type");
    const isOwn = type === "function" || type === "custom";
    const name = isOwn ? nameIn(reference) : "";
    // What else names a tool of the vendor goes with the tool.
    if (!isOwn) reference.rawMembers();
    const found = tools.filter((tool) => tool.type === type && tool.name === name);
    if (found.length === 0) throw reference.fault(isOwn ? "name" : "type", "must be one of the request's tools");
    return found;
  });
  return {
    tools: tools.filter((tool) => allowed.includes(tool)).map(({ tool }) => tool),
    toolChoice: { mode: readMode(choice, "mode", choice.text("mode")) },
  };
}

function nameIn(reference: ObjectReader): string {
  return joinToolName({ name: reference.text("name"), namespace: reference.optionalText("namespace") ?? "" });
}

function readMode(owner: ObjectReader, field: string, word: string): ToolChoice_Mode {
  if (word === "auto") return ToolChoice_Mode.AUTO;
  if (word === "none") return ToolChoice_Mode.NONE;
  if (word === "required") return ToolChoice_Mode.REQUIRED;
  throw owner.fault(field, "must be auto, none or required, or name a tool");
}
