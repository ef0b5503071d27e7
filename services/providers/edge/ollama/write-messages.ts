/** Owns messages on the way to Ollama, where each has one text, and pictures beside it. */
import { ImageDetail, Role, type FilePart, type ImagePart, type Message, type Part, type ToolCallPart, type ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { howToSendBytes } from "../../domain/media/remote-media.ts";
import { parseToolArguments } from "../../domain/translation/tool-arguments.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";

/** The word for what is in Ollama's own JSON. */
export const nativeDialect = "ollama";

/** What the parts of a message come to. */
interface Said {
  readonly texts: string[];
  readonly thoughts: string[];
  readonly images: string[];
}

/** Throws UNSUPPORTED_FIELD for content that Ollama cannot take. */
export function writeMessages(messages: readonly Message[], warnings: Warnings): object[] {
  const toolNames = new Map<string, string>();
  return messages.flatMap((message, index) => {
    const path = `messages[${index}]`;
    if (message.name !== undefined) warnings.add("messages.name", "Ollama does not tell speakers of one role apart; the name is left out.");
    for (const part of message.parts) noteMarker(part, warnings);
    for (const { kind } of message.parts) if (kind.case === "toolCall") toolNames.set(kind.value.id, kind.value.name);
    const results = message.parts.flatMap(({ kind }) => (kind.case === "toolResult" ? [writeToolResult(kind.value, toolNames, path, warnings)] : []));
    const others = message.parts.filter(({ kind }) => kind.case !== "toolResult");
    return others.length === 0 && results.length > 0 ? results : [...results, writeMessage(message.role, others, path, warnings)];
  });
}

function writeMessage(role: Role, parts: readonly Part[], path: string, warnings: Warnings): object {
  const said = sayAll(parts.filter(({ kind }) => kind.case !== "toolCall"), path, warnings);
  const images = said.images.length === 0 ? {} : { images: said.images };
  switch (role) {
    case Role.SYSTEM:
    case Role.DEVELOPER:
      if (said.images.length > 0) throw unsupportedField("Ollama", path, "instructions can hold text alone.");
      return { role: "system", content: said.texts.join("\n") };
    case Role.USER:
    // What stands beside a tool's results is the user's word.
    case Role.TOOL:
      return { role: "user", content: said.texts.join("\n"), ...images };
    case Role.ASSISTANT: {
      const calls = parts.flatMap(({ kind }) => (kind.case === "toolCall" ? [writeToolCall(kind.value, path)] : []));
      const thinking = said.thoughts.length === 0 ? {} : { thinking: said.thoughts.join("\n") };
      // A reply's texts are pieces of one, as citations cut it.
      return { role: "assistant", content: said.texts.join(""), ...thinking, ...images, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
    }
    default:
      throw new GatewayError("INVALID_REQUEST", "A message has no role; say who speaks.", { fieldViolations: [{ field: "messages.role", description: "must be set" }] });
  }
}

function writeToolResult(result: ToolResultPart, toolNames: ReadonlyMap<string, string>, path: string, warnings: Warnings): object {
  if (result.isError) warnings.add("messages.parts.tool_result.is_error", "Ollama has no mark for a failed tool; the result goes as it is.");
  const said = sayAll(result.parts, path, warnings);
  const name = toolNames.get(result.toolCallId);
  return {
    role: "tool",
    content: said.texts.join("\n"),
    ...(said.images.length === 0 ? {} : { images: said.images }),
    // Most of its models know a tool's result by the tool's name, some by the call's id.
    ...(name === undefined ? {} : { tool_name: name }),
    tool_call_id: result.toolCallId,
  };
}

function sayAll(parts: readonly Part[], path: string, warnings: Warnings): Said {
  const said: Said = { texts: [], thoughts: [], images: [] };
  for (const part of parts) say(part, said, path, warnings);
  return said;
}

function say({ kind }: Part, said: Said, path: string, warnings: Warnings): void {
  switch (kind.case) {
    case "text":
      if (kind.value.citations.length > 0) warnings.add("messages.parts.text.citations", "Ollama takes no citations back; only the text goes.");
      said.texts.push(kind.value.text);
      return;
    case "refusal":
      said.texts.push(kind.value.text);
      return;
    case "image":
      if (kind.value.detail === ImageDetail.LOW || kind.value.detail === ImageDetail.HIGH) {
        warnings.add("messages.parts.image.detail", "The model decides how closely to look.");
      }
      said.images.push(dataOf(kind.value, path));
      return;
    case "file":
      warnings.add("messages.parts.file", "Ollama knows no documents; the document's text goes into the message.");
      said.texts.push(textOf(kind.value, path));
      return;
    case "audio":
      if (kind.value.transcript === undefined) throw unsupportedField("Ollama", path, "it takes no sound; send its transcript.");
      warnings.add("messages.parts.audio", "The transcript is sent in place of the sound.");
      said.texts.push(kind.value.transcript);
      return;
    case "reasoning":
      if (kind.value.redactedData !== "") warnings.add("messages.parts.reasoning.redacted_data", "Reasoning that another vendor encrypted says nothing to Ollama; it is left out.");
      if (kind.value.signature !== "") warnings.add("messages.parts.reasoning.signature", "Ollama takes reasoning back as its text alone; what another vendor signed it with is left out.");
      if (kind.value.text !== "") said.thoughts.push(kind.value.text);
      return;
    case "native":
      // There are no pieces of messages in its form.
      throw unsupportedField("Ollama", path, `the part is in the form of "${kind.value.dialect}".`);
    default:
      throw unsupportedField("Ollama", path, "the part says nothing.");
  }
}

function dataOf({ media }: ImagePart, path: string): string {
  if (media?.source.case !== "data") throw unsupportedField("Ollama", path, `it takes pictures as bytes alone; ${howToSendBytes(media)}`);
  return Buffer.from(media.source.value).toString("base64");
}

function textOf({ media, title, filename, context }: FilePart, path: string): string {
  const isText = media?.source.case === "data" && (media.mediaType.startsWith("text/") || /^application\/(.*\+)?json$/.test(media.mediaType));
  if (media?.source.case !== "data" || !isText) throw unsupportedField("Ollama", path, media?.source.case === "data" ? `a document must be text, not "${media.mediaType}".` : `it takes documents as bytes alone; ${howToSendBytes(media)}`);
  return [title ?? filename, context, Buffer.from(media.source.value).toString("utf8")].filter((line) => line !== undefined).join("\n");
}

function writeToolCall(call: ToolCallPart, path: string): object {
  return { ...(call.id === "" ? {} : { id: call.id }), function: { name: call.name, arguments: parseToolArguments(call, path) } };
}

function noteMarker({ cacheMarker, kind }: Part, warnings: Warnings): void {
  const inner = kind.case === "toolResult" ? kind.value.parts : [];
  if (cacheMarker === undefined && inner.every((part) => part.cacheMarker === undefined)) return;
  warnings.add("messages.parts.cache_marker", "Ollama caches prompts on its own; the marker is left out.");
}
