/** Owns messages on the way to Chat Completions. */
import { Role, type Message, type Part, type ToolCallPart, type ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { buildAudio, buildFile, buildImage } from "./build-media.ts";
import { parseEmbeddedJson } from "./embedded-json.ts";
import type { Limitations } from "./limitations.ts";

/**
 * The messages, in order. Results of tools become `tool` messages of their own, in front of what else their message says;
 * their images and documents follow in a user message, because a `tool` message holds text only.
 */
export function buildMessages(messages: readonly Message[], limitations: Limitations): object[] {
  const built: object[] = [];
  let carried: object[] = [];
  const flush = (): void => {
    if (carried.length > 0) built.push({ role: "user", content: carried });
    carried = [];
  };
  for (const message of messages) {
    const results = message.parts.flatMap(({ kind }) => (kind.case === "toolResult" ? [kind.value] : []));
    const others = message.parts.filter(({ kind }) => kind.case !== "toolResult");
    // The vendor wants all answers to a turn's calls right behind it, so nothing may come between them.
    if (results.length === 0) flush();
    for (const part of message.parts) noteMarker(part, limitations);
    for (const result of results) built.push(buildToolMessage(result, carried, limitations));
    if (others.length > 0 || results.length === 0) {
      flush();
      built.push(buildMessage(message, others, limitations));
    }
  }
  flush();
  return built;
}

function buildMessage(message: Message, parts: readonly Part[], limitations: Limitations): object {
  const name = message.name === undefined ? {} : { name: message.name };
  if (message.role === Role.ASSISTANT) return { role: "assistant", ...buildAssistant(parts, limitations), ...name };
  return { role: wordOf(message.role), content: contentOf(parts, limitations), ...name };
}

function wordOf(role: Role): string {
  switch (role) {
    case Role.SYSTEM:
      return "system";
    case Role.DEVELOPER:
      return "developer";
    case Role.USER:
    // What stands beside a tool's results is the user's word.
    case Role.TOOL:
      return "user";
    default:
      throw new GatewayError("INVALID_REQUEST", "A message has no role; say who speaks.", { fieldViolations: [{ field: "messages.role", description: "must be set" }] });
  }
}

function buildAssistant(parts: readonly Part[], limitations: Limitations): object {
  const said = parts.filter(({ kind }) => kind.case !== "toolCall" && kind.case !== "refusal" && !isEarlierAudio(kind));
  const calls = parts.flatMap(({ kind }) => (kind.case === "toolCall" ? [buildToolCall(kind.value)] : []));
  const refusal = parts.flatMap(({ kind }) => (kind.case === "refusal" ? [kind.value.text] : []));
  const audio = parts.flatMap(({ kind }) => (isEarlierAudio(kind) ? [{ id: kind.value.id }] : []));
  const content = contentParts(said, limitations);
  const needsContent = calls.length === 0 && refusal.length === 0 && audio.length === 0;
  return {
    content: content.length === 0 && !needsContent ? null : asContent(content),
    ...(refusal.length === 0 ? {} : { refusal: refusal.join("") }),
    ...(audio[0] === undefined ? {} : { audio: audio[0] }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function isEarlierAudio(kind: Part["kind"]): kind is Extract<Part["kind"], { case: "audio" }> {
  return kind.case === "audio" && kind.value.id !== undefined;
}

function buildToolCall({ id, name, arguments: written, custom }: ToolCallPart): object {
  return custom ? { id, type: "custom", custom: { name, input: written } } : { id, type: "function", function: { name, arguments: written } };
}

function buildToolMessage(result: ToolResultPart, carried: object[], limitations: Limitations): object {
  if (result.isError) limitations.note("messages.parts.tool_result.is_error", "The vendor has no mark for a failed tool; the result goes as it is.");
  const texts = result.parts.filter(({ kind }) => kind.case === "text");
  const others = contentParts(result.parts.filter(({ kind }) => kind.case !== "text"), limitations);
  if (others.length > 0) {
    limitations.note("messages.parts.tool_result.parts", "The vendor takes only text as a tool's result; images and documents follow in a user message.");
    carried.push(...others);
  }
  return { role: "tool", tool_call_id: result.toolCallId, content: contentOf(texts, limitations) };
}

function contentOf(parts: readonly Part[], limitations: Limitations): string | object[] {
  return asContent(contentParts(parts, limitations));
}

/** A single text goes as a plain string, which every server understands. */
function asContent(parts: readonly object[]): string | object[] {
  const [only] = parts;
  if (only === undefined) return "";
  return parts.length === 1 && "text" in only && "type" in only && only.type === "text" ? (only.text as string) : [...parts];
}

function contentParts(parts: readonly Part[], limitations: Limitations): object[] {
  return parts.flatMap((part) => buildPart(part, limitations) ?? []);
}

function buildPart({ kind }: Part, limitations: Limitations): object | undefined {
  switch (kind.case) {
    case "text":
      if (kind.value.citations.length > 0) limitations.note("messages.parts.text.citations", "The vendor takes no citations back; only the text goes.");
      return { type: "text", text: kind.value.text };
    case "refusal":
      return { type: "refusal", refusal: kind.value.text };
    case "image":
      return buildImage(kind.value, limitations);
    case "audio":
      return buildAudio(kind.value, limitations);
    case "file":
      return buildFile(kind.value, limitations);
    case "reasoning":
      limitations.note("messages.parts.reasoning", "Chat Completions takes no reasoning back; text and signatures are left out.");
      return undefined;
    case "native":
      if (kind.value.dialect === "openai") return parseEmbeddedJson(kind.value.json, "messages.parts.native.json");
      limitations.note("messages.parts.native", `A piece that only speakers of ${kind.value.dialect} know is left out.`);
      return undefined;
    default:
      return undefined;
  }
}

function noteMarker({ cacheMarker, kind }: Part, limitations: Limitations): void {
  const inner = kind.case === "toolResult" ? kind.value.parts : [];
  if (cacheMarker === undefined && inner.every((part) => part.cacheMarker === undefined)) return;
  limitations.note("messages.parts.cache_marker", "The vendor caches prompts on its own; the marker is left out.");
}
