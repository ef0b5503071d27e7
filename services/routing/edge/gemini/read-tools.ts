/** Owns the reading of tools and of the choice among them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ToolChoice_Mode, ToolSchema, type Tool, type ToolChoiceSchema } from "#gen/weir/inference/v1/generation_pb.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { invalidField, type RequestFields } from "../dialect-parts/request-fields.ts";
import { nativeDialect } from "./read-parts.ts";
import { toJsonSchema } from "./read-schema.ts";

interface ToolsReading {
  readonly tools: Tool[];
  readonly toolChoice: MessageInitShape<typeof ToolChoiceSchema> | undefined;
}

export function readTools(body: RequestFields): ToolsReading {
  const tools = (body.objects("tools") ?? []).flatMap(readTool);
  const config = body.object("toolConfig");
  const calling = config?.object("functionCallingConfig");
  const reading = calling === undefined ? { tools, toolChoice: undefined } : readChoice(calling, tools);
  calling?.noteRest();
  config?.noteRest();
  return reading;
}

/** One entry can hold functions and, each under a name of its own, tools that Google runs. */
function readTool(entry: RequestFields): Tool[] {
  const functions = (entry.objects("functionDeclarations") ?? []).map(readFunction);
  const others = entry.untaken().map(([name, value]) => nativeTool({ [name]: value }));
  return [...functions, ...others];
}

function nativeTool(tool: object): Tool {
  return create(ToolSchema, { kind: { case: "native", value: { dialect: nativeDialect, json: Buffer.from(JSON.stringify(tool)) } } });
}

function readFunction(declaration: RequestFields): Tool {
  const jsonSchema = declaration.take("parametersJsonSchema");
  const parameters = declaration.take("parameters");
  const schema = jsonSchema ?? toJsonSchema(parameters);
  const value = {
    name: declaration.requiredText("name"),
    description: declaration.text("description") ?? "",
    parametersJsonSchema: schema === undefined ? "" : JSON.stringify(schema),
  };
  declaration.noteRest();
  return create(ToolSchema, { kind: { case: "function", value } });
}

/** Other vendors cannot list the functions that may be called, but leaving the others out means the same. */
function readChoice(calling: RequestFields, tools: Tool[]): ToolsReading {
  const word = calling.text("mode") ?? "MODE_UNSPECIFIED";
  const mode = modes.get(word);
  if (mode === undefined) throw invalidField(calling.pathOf("mode"), `must be one of ${[...modes.keys()].join(", ")}`);
  // Of VALIDATED only the freedom is kept: whether calls fit their schema is up to the target.
  if (word === "VALIDATED") calling.noteUnknown("mode");
  const allowed = calling.texts("allowedFunctionNames") ?? [];
  const [only] = allowed;
  if (only === undefined) return { tools, toolChoice: { mode } };
  for (const [index, name] of allowed.entries()) {
    if (!tools.some((tool) => nameOf(tool) === name)) throw invalidField(`${calling.pathOf("allowedFunctionNames")}[${index}]`, "must be one of the request's functions");
  }
  if (mode === ToolChoice_Mode.REQUIRED && allowed.length === 1) return { tools, toolChoice: { mode: ToolChoice_Mode.NAMED, name: only } };
  return { tools: tools.filter((tool) => allowed.includes(nameOf(tool) ?? "")), toolChoice: definedMembers({ mode }) };
}

/** https://ai.google.dev/api/caching#FunctionCallingConfig */
const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ["MODE_UNSPECIFIED", ToolChoice_Mode.UNSPECIFIED],
  ["AUTO", ToolChoice_Mode.AUTO],
  ["ANY", ToolChoice_Mode.REQUIRED],
  ["NONE", ToolChoice_Mode.NONE],
  ["VALIDATED", ToolChoice_Mode.AUTO],
]);

function nameOf({ kind }: Tool): string | undefined {
  return kind.case === "function" ? kind.value.name : undefined;
}
