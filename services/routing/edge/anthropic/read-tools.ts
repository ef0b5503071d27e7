/** Owns the reading of tools and of the choice among them. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ToolChoice_Mode, type ToolChoiceSchema, ToolSchema, type Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { nativeDialect, readCacheMarker } from "./read-content.ts";
import { invalidField, type RequestFields } from "../dialect-parts/request-fields.ts";

export function readTools(fields: RequestFields): Tool[] {
  return (fields.objects("tools") ?? []).map(readTool);
}

function readTool(fields: RequestFields): Tool {
  const type = fields.text("type") ?? "custom";
  if (type !== "custom") return create(ToolSchema, { kind: { case: "native", value: { dialect: nativeDialect, json: fields.json() } } });
  const inputSchema = fields.take("input_schema");
  const value = {
    name: fields.requiredText("name"),
    description: fields.text("description") ?? "",
    parametersJsonSchema: inputSchema === undefined ? "" : JSON.stringify(inputSchema),
    ...definedMembers({ strict: fields.flag("strict") }),
  };
  const cacheMarker = readCacheMarker(fields);
  // Asks for arguments as they are made, which is how every other vendor streams them.
  fields.flag("eager_input_streaming");
  fields.noteRest();
  return create(ToolSchema, { kind: { case: "function", value }, ...definedMembers({ cacheMarker }) });
}

/** How free the model is, and whether it may ask for several tools at once (undefined when the caller does not say). */
export interface ToolChoiceReading {
  readonly toolChoice: MessageInitShape<typeof ToolChoiceSchema> | undefined;
  readonly parallelToolCalls: boolean | undefined;
}

export function readToolChoice(fields: RequestFields): ToolChoiceReading {
  const choice = fields.object("tool_choice");
  if (choice === undefined) return { toolChoice: undefined, parallelToolCalls: undefined };
  const mode = modes.get(choice.requiredText("type"));
  if (mode === undefined) throw invalidField(choice.pathOf("type"), `must be one of ${[...modes.keys()].join(", ")}`);
  const parallelDisabled = choice.flag("disable_parallel_tool_use");
  const name = mode === ToolChoice_Mode.NAMED ? choice.requiredText("name") : "";
  choice.noteRest();
  return { toolChoice: { mode, name }, parallelToolCalls: parallelDisabled === undefined ? undefined : !parallelDisabled };
}

const modes: ReadonlyMap<string, ToolChoice_Mode> = new Map([
  ["auto", ToolChoice_Mode.AUTO],
  ["any", ToolChoice_Mode.REQUIRED],
  ["tool", ToolChoice_Mode.NAMED],
  ["none", ToolChoice_Mode.NONE],
]);
