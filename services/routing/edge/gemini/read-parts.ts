/** Owns the reading of `contents`: turns and their parts. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { MessageSchema, PartSchema, Role, type MediaSchema, type Message, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { readBase64 } from "../dialect-parts/base64.ts";
import { definedMembers } from "../dialect-parts/defined-members.ts";
import { invalidField, type RequestFields } from "../dialect-parts/request-fields.ts";
import { CallIds } from "../dialect-parts/call-ids.ts";
import { readKeptPart } from "./kept-part.ts";
import { readSignature } from "./thought-signature.ts";

/** The name under which Gemini's own JSON stands in a NativePart. */
export const nativeDialect = "gemini";

type PartInit = MessageInitShape<typeof PartSchema>;
type MediaInit = MessageInitShape<typeof MediaSchema>;

/** The conversation. Neighbouring turns of the model are one, because clients that stream keep each chunk as a turn. */
export function readContents(body: RequestFields): Message[] {
  const contents = body.objects("contents");
  if (contents === undefined) throw invalidField("contents", "is missing");
  const callIds = new CallIds();
  const messages: Message[] = [];
  for (const content of contents) {
    const isModel = readIsModel(content);
    const parts = readParts(content, callIds);
    content.noteRest();
    if (isModel) addModelTurn(messages, parts);
    else addUserTurn(messages, parts);
  }
  return messages;
}

/** `systemInstruction`: a content, whose role does not matter. */
export function readSystemInstruction(body: RequestFields): Message[] {
  const content = body.object("systemInstruction");
  if (content === undefined) return [];
  content.take("role");
  const parts = readParts(content, new CallIds());
  content.noteRest();
  return parts.length === 0 ? [] : [create(MessageSchema, { role: Role.SYSTEM, parts })];
}

function readIsModel(content: RequestFields): boolean {
  const role = content.text("role") ?? "user";
  // "function" is what the oldest clients call the turn with a function's response.
  if (role !== "user" && role !== "model" && role !== "function") throw invalidField(content.pathOf("role"), "must be user or model");
  return role === "model";
}

function addModelTurn(messages: Message[], parts: readonly Part[]): void {
  const last = messages.at(-1);
  const turn = last?.role === Role.ASSISTANT ? last : create(MessageSchema, { role: Role.ASSISTANT });
  if (turn !== last) messages.push(turn);
  for (const part of parts) addModelPart(turn.parts, part);
}

/** The pieces of a stream come back as parts of their own; together they are what the model said. */
function addModelPart(parts: Part[], { kind }: Part): void {
  const last = parts.at(-1)?.kind;
  if (kind.case === "text" && kind.value.text === "") return;
  if (kind.case === "text" && last?.case === "text") last.value.text += kind.value.text;
  else if (kind.case === "reasoning" && last?.case === "reasoning" && last.value.signature === "" && last.value.redactedData === "" && kind.value.redactedData === "") {
    last.value.text += kind.value.text;
    last.value.signature = kind.value.signature;
  } else parts.push(create(PartSchema, { kind }));
}

/** A user's turn can hold functions' responses among other content; in types they are messages of their own, in the same order. */
function addUserTurn(messages: Message[], parts: readonly Part[]): void {
  let turn: Message | undefined;
  for (const part of parts) {
    const role = part.kind.case === "toolResult" ? Role.TOOL : Role.USER;
    if (turn?.role !== role) messages.push((turn = create(MessageSchema, { role })));
    turn.parts.push(part);
  }
  if (turn === undefined) messages.push(create(MessageSchema, { role: Role.USER }));
}

function readParts(content: RequestFields, callIds: CallIds): Part[] {
  return (content.objects("parts") ?? []).flatMap((part) => readPart(part, callIds)).map((init) => create(PartSchema, init));
}

/** A signature on a part that is no thought stands before it, as reasoning without a text. */
function readPart(part: RequestFields, callIds: CallIds): PartInit[] {
  const kept = readKeptPart(part);
  if (kept !== undefined) return [kept];
  const isThought = part.flag("thought") ?? false;
  const signature = readSignature(part.text("thoughtSignature") ?? "");
  const text = part.text("text");
  if (isThought) {
    part.noteRest();
    return [{ kind: { case: "reasoning", value: { text: text ?? "", signature } } }];
  }
  const signed: PartInit[] = signature === "" ? [] : [{ kind: { case: "reasoning", value: { signature } } }];
  if (text === undefined && signature !== "" && part.untaken().length === 0) return signed;
  const kind = text === undefined ? readKind(part, callIds) : ({ case: "text", value: { text } } as const);
  part.noteRest();
  // What is kept as it came has its signature within.
  return kind.case === "native" ? [{ kind }] : [...signed, { kind }];
}

function readKind(part: RequestFields, callIds: CallIds): NonNullable<PartInit["kind"]> {
  const inlineData = part.object("inlineData");
  if (inlineData !== undefined) return readMedia(inlineData, readInlineData);
  const fileData = part.object("fileData");
  if (fileData !== undefined) return readMedia(fileData, readFileData);
  const call = part.object("functionCall");
  if (call !== undefined) return readFunctionCall(call, callIds);
  const response = part.object("functionResponse");
  if (response !== undefined) return readFunctionResponse(response, callIds);
  const untaken = part.untaken();
  if (untaken.length === 0) throw invalidField(part.path, "holds nothing");
  // What only Google knows (executableCode, codeExecutionResult, toolCall, …) is kept as it came.
  for (const [name] of untaken) part.take(name);
  return { case: "native", value: { dialect: nativeDialect, json: part.json() } };
}

function readMedia(fields: RequestFields, read: (fields: RequestFields) => MediaInit): NonNullable<PartInit["kind"]> {
  const media = read(fields);
  const filename = fields.text("displayName");
  fields.noteRest();
  if (media.mediaType?.startsWith("image/")) return { case: "image", value: { media } };
  if (media.mediaType?.startsWith("audio/")) return { case: "audio", value: { media } };
  return { case: "file", value: { media, ...definedMembers({ filename }) } };
}

function readInlineData(fields: RequestFields): MediaInit {
  const data = readBase64(fields.requiredText("data"));
  if (data === undefined) throw invalidField(fields.pathOf("data"), "is not valid base64");
  return { source: { case: "data", value: data }, mediaType: fields.requiredText("mimeType") };
}

function readFileData(fields: RequestFields): MediaInit {
  return { source: { case: "url", value: fields.requiredText("fileUri") }, mediaType: fields.text("mimeType") ?? "" };
}

function readFunctionCall(call: RequestFields, callIds: CallIds): NonNullable<PartInit["kind"]> {
  const name = call.requiredText("name");
  const args = call.take("args") ?? {};
  if (typeof args !== "object" || Array.isArray(args)) throw invalidField(call.pathOf("args"), "must be an object");
  const id = callIds.ask(name, call.text("id"));
  call.noteRest();
  return { case: "toolCall", value: { id, name, arguments: JSON.stringify(args) } };
}

function readFunctionResponse(fields: RequestFields, callIds: CallIds): NonNullable<PartInit["kind"]> {
  const name = fields.requiredText("name");
  const toolCallId = callIds.answer(name, fields.text("id"));
  const { text, isError } = readResult(fields, name);
  const media = (fields.objects("parts") ?? []).map((part): PartInit => {
    const kind = readKind(part, callIds);
    part.noteRest();
    return { kind };
  });
  fields.noteRest();
  const parts: PartInit[] = text === "" && media.length > 0 ? media : [{ kind: { case: "text", value: { text } } }, ...media];
  return { case: "toolResult", value: { toolCallId, parts, isError } };
}

/**
 * `output` or `error` alone stand for the whole response: https://ai.google.dev/api/caching#FunctionResponse.
 * Google's first examples, and the Vercel AI SDK to this day, repeat the function's name in there and say `content` for `output`.
 */
function readResult(fields: RequestFields, functionName: string): { readonly text: string; readonly isError: boolean } {
  const response = fields.take("response") ?? {};
  if (typeof response !== "object" || Array.isArray(response)) throw invalidField(fields.pathOf("response"), "must be an object");
  const { name: repeated, ...rest } = response as JsonObject;
  const repeatsName = repeated === functionName;
  const members = Object.entries(repeatsName ? rest : response);
  const [only] = members;
  if (only === undefined) return { text: "", isError: false };
  const [name, value] = only;
  const isError = name === "error";
  const isOutput = name === "output" || (repeatsName && name === "content");
  if (members.length > 1 || (!isOutput && !isError)) return { text: JSON.stringify(response), isError: false };
  return { text: typeof value === "string" ? value : JSON.stringify(value), isError };
}
