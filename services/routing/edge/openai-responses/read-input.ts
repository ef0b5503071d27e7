/** Owns the reading of `instructions` and `input` into messages: items that make up one turn become one message. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Role, type MessageSchema, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { readBase64 } from "../openai/data-url.ts";
import { nativePart } from "../openai/chat/native-parts.ts";
import type { ObjectReader } from "../openai/object-reader.ts";
import { nativeDialect } from "./native-dialect.ts";
import { readOpaquePart } from "./opaque-part.ts";
import { readContent, textPart, type PartInit } from "./read-content.ts";
import { joinToolName, writeFreeText } from "./caller-tools.ts";

type MessageInit = MessageInitShape<typeof MessageSchema>;

/** The items of the input; none when it is a string. */
export function readItems(body: ObjectReader): ObjectReader[] {
  return typeof body.raw("input") === "string" ? [] : body.objects("input");
}

export function readInput(body: ObjectReader, items: readonly ObjectReader[]): MessageInit[] {
  const instructions = body.optionalText("instructions") ?? "";
  const turns = new Turns();
  if (instructions !== "") turns.add(Role.SYSTEM, [textPart(instructions)]);
  const input = body.raw("input");
  if (typeof input === "string") turns.add(Role.USER, [textPart(input)]);
  else if (input === undefined) throw body.fault("input", "is missing; it must be a string or a list of items");
  else for (const item of items) readItem(item, turns);
  return turns.messages;
}

/** Reasoning, words and calls of one turn of the model belong into one message, as do the results that answer it. */
class Turns {
  readonly messages: { role: Role; parts: (PartInit | Part)[] }[] = [];

  add(role: Role, parts: readonly (PartInit | Part)[]): void {
    const last = this.messages.at(-1);
    if (last?.role === role && (role === Role.ASSISTANT || role === Role.TOOL)) last.parts.push(...parts);
    else this.messages.push({ role, parts: [...parts] });
  }
}

function readItem(item: ObjectReader, turns: Turns): void {
  const type = item.optionalText("type") ?? "message";
  switch (type) {
    case "message":
      readBookkeeping(item);
      return turns.add(readRole(item), readContent(item, "content"));
    case "reasoning":
      readBookkeeping(item);
      return turns.add(Role.ASSISTANT, readReasoning(item));
    case "function_call":
    case "custom_tool_call":
      readBookkeeping(item);
      return turns.add(Role.ASSISTANT, [readToolCall(item, type === "custom_tool_call")]);
    case "function_call_output":
    case "custom_tool_call_output":
      readBookkeeping(item);
      return turns.add(Role.TOOL, [readToolResult(item)]);
    case "image_generation_call":
      return turns.add(Role.ASSISTANT, [readPicture(item)]);
    case "additional_tools":
      item.raw("role");
      return readBookkeeping(item);
    case "item_reference":
      throw refuseReference(item.pathOf("type"), "is a reference to an item that Weir does not keep; send the item itself");
    case "compaction":
    case "compaction_trigger":
      throw item.untranslatable("type", `is ${type}, which only OpenAI can read; send the items themselves`);
    default:
      return turns.add(isFromCaller(type) ? Role.USER : Role.ASSISTANT, [nativePart(nativeDialect, item.rawMembers())]);
  }
}

/** The refusal of what points to a state that a server would have to keep. */
export function refuseReference(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${field} ${description}.`, { fieldViolations: [{ field, description }] });
}

/** Members by which a server that keeps items knows them again. */
function readBookkeeping(item: ObjectReader): void {
  item.raw("id");
  item.raw("status");
}

function readRole(item: ObjectReader): Role {
  const role = roles.get(item.text("role"));
  if (role === undefined) throw item.fault("role", `must be one of ${[...roles.keys()].join(", ")}`);
  return role;
}

const roles: ReadonlyMap<string, Role> = new Map<string, Role>([
  ["user", Role.USER],
  ["assistant", Role.ASSISTANT],
  ["system", Role.SYSTEM],
  ["developer", Role.DEVELOPER],
]);

/** What Weir wrote comes back as the vendor gave it. What another vendor encrypted counts as unread: only that vendor could read it. */
function readReasoning(item: ObjectReader): (PartInit | Part)[] {
  const summary = item.objects("summary").map(readReasoningText).join("");
  const content = item.objects("content").map(readReasoningText).join("");
  const encrypted = item.optionalText("encrypted_content");
  const opaque = encrypted === undefined ? undefined : readOpaquePart(encrypted);
  if (opaque !== undefined) return [opaque];
  if (encrypted !== undefined) item.leaveUnread("encrypted_content");
  const isSummary = content === "";
  const text = isSummary ? summary : content;
  return text === "" ? [] : [{ kind: { case: "reasoning", value: { text, isSummary } } }];
}

function readReasoningText(piece: ObjectReader): string {
  piece.raw("type");
  return piece.text("text");
}

function readToolCall(item: ObjectReader, custom: boolean): PartInit {
  const name = joinToolName({ name: item.text("name"), namespace: item.optionalText("namespace") ?? "" });
  const written = custom ? writeFreeText(item.text("input")) : (item.optionalText("arguments") ?? "");
  return { kind: { case: "toolCall", value: { id: item.text("call_id"), name, arguments: written } } };
}

function readToolResult(item: ObjectReader): PartInit {
  // Who was called is known by the call's id.
  item.raw("name");
  item.raw("namespace");
  return { kind: { case: "toolResult", value: { toolCallId: item.text("call_id"), parts: readContent(item, "output") } } };
}

function readPicture(item: ObjectReader): PartInit {
  readBookkeeping(item);
  const data = readBase64(item.text("result"));
  if (data === undefined) throw item.fault("result", "must be base64");
  const format = item.optionalText("output_format") ?? "png";
  return { kind: { case: "image", value: { media: { source: { case: "data", value: data }, mediaType: `image/${format}` } } } };
}

function isFromCaller(type: string): boolean {
  return type.endsWith("_output") || type === "mcp_approval_response";
}
