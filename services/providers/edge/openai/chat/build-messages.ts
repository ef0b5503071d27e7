/** Owns messages on the way to Chat Completions. */
import { Role, type AudioPart, type Message, type Part, type ToolCallPart, type ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { buildAudio, buildFile, buildImage } from "./build-media.ts";
import { buildReasoningMembers, buildThinkingPart } from "./build-reasoning.ts";
import { parseEmbeddedJson } from "../../../domain/translation/embedded-json.ts";
import type { Warnings } from "../../../domain/translation/warnings.ts";
import type { OpenaiQuirks } from "../compatible/quirks.ts";
import { toolCallIdOf } from "./tool-call-id.ts";

/**
 * The messages, in order. Results of tools become `tool` messages of their own, in front of what else their message says;
 * their images and documents follow in a user message where a `tool` message holds text only.
 */
export function buildMessages(messages: readonly Message[], warnings: Warnings, quirks: OpenaiQuirks): object[] {
  const built: object[] = [];
  let carried: object[] = [];
  const flush = (): void => {
    if (carried.length > 0) built.push({ role: "user", content: carried });
    carried = [];
  };
  for (const message of quirks.hasLateInstructions ? messages : withEarlyInstructions(messages, warnings)) {
    const results = message.parts.flatMap(({ kind }) => (kind.case === "toolResult" ? [kind.value] : []));
    const others = message.parts.filter(({ kind }) => kind.case !== "toolResult");
    // The vendor wants all answers to a turn's calls right behind it, so nothing may come between them.
    if (results.length === 0) flush();
    for (const part of message.parts) noteMarker(part, warnings);
    for (const result of results) built.push(buildToolMessage(result, carried, warnings, quirks));
    if (others.length > 0 || results.length === 0) {
      flush();
      built.push(buildMessage(message, others, warnings, quirks));
    }
  }
  flush();
  return quirks.needsPrefixMark && messages.at(-1)?.role === Role.ASSISTANT ? [...built.slice(0, -1), { ...built.at(-1), prefix: true }] : built;
}

/** Instructions that stand behind what the model or a tool said come behind those at the start. */
function withEarlyInstructions(messages: readonly Message[], warnings: Warnings): readonly Message[] {
  const firstReply = messages.findIndex(({ role }) => role === Role.ASSISTANT || role === Role.TOOL);
  const isLate = (message: Message, index: number): boolean => firstReply >= 0 && index > firstReply && isInstruction(message);
  const late = messages.filter(isLate);
  if (late.length === 0) return messages;
  warnings.add("messages.role", "The vendor takes no instructions behind a reply; they are moved to the start of the conversation.");
  const start = messages.findIndex((message) => !isInstruction(message));
  return [...messages.slice(0, start), ...late, ...messages.slice(start).filter((message, index) => !isLate(message, start + index))];
}

function isInstruction({ role }: Message): boolean {
  return role === Role.SYSTEM || role === Role.DEVELOPER;
}

function buildMessage(message: Message, parts: readonly Part[], warnings: Warnings, quirks: OpenaiQuirks): object {
  if (message.name !== undefined && !quirks.hasSpeakerNames) warnings.add("messages.name", "The vendor does not tell speakers of one role apart; the name is left out.");
  const name = message.name === undefined || !quirks.hasSpeakerNames ? {} : { name: message.name };
  if (message.role === Role.ASSISTANT) return { role: "assistant", ...buildAssistant(parts, warnings, quirks), ...name };
  return { role: wordOf(message.role, quirks), content: contentOf(parts, warnings, quirks), ...name };
}

export function wordOf(role: Role, { hasDeveloperRole }: OpenaiQuirks): string {
  switch (role) {
    case Role.SYSTEM:
      return "system";
    case Role.DEVELOPER:
      return hasDeveloperRole ? "developer" : "system";
    case Role.USER:
    // What stands beside a tool's results is the user's word.
    case Role.TOOL:
      return "user";
    default:
      throw new GatewayError("INVALID_REQUEST", "A message has no role; say who speaks.", { fieldViolations: [{ field: "messages.role", description: "must be set" }] });
  }
}

function buildAssistant(parts: readonly Part[], warnings: Warnings, quirks: OpenaiQuirks): object {
  const calls = parts.flatMap(({ kind }) => (kind.case === "toolCall" ? [buildToolCall(kind.value, quirks)] : []));
  const refusal = parts.flatMap(({ kind }) => (kind.case === "refusal" && quirks.hasRefusals ? [kind.value.text] : []));
  const audio = parts.flatMap(({ kind }) => (isEarlierAudio(kind) && quirks.hasEarlierAudio ? [{ id: kind.value.id }] : []));
  const reasoning = parts.flatMap(({ kind }) => (kind.case === "reasoning" ? [kind.value] : []));
  const said = parts.filter(({ kind }) => kind.case !== "toolCall" && !(kind.case === "refusal" && quirks.hasRefusals) && !(isEarlierAudio(kind) && quirks.hasEarlierAudio));
  const content = contentParts(said, warnings, quirks);
  const needsContent = calls.length === 0 && refusal.length === 0 && audio.length === 0;
  return {
    content: content.length === 0 && !needsContent ? null : asContent(content),
    ...(refusal.length === 0 ? {} : { refusal: refusal.join("") }),
    ...(audio[0] === undefined ? {} : { audio: audio[0] }),
    ...buildReasoningMembers(reasoning, quirks),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function isEarlierAudio(kind: Part["kind"]): kind is Extract<Part["kind"], { case: "audio" }> {
  return kind.case === "audio" && kind.value.id !== undefined;
}

function buildToolCall({ id: foreignId, name, arguments: written, custom }: ToolCallPart, quirks: OpenaiQuirks): object {
  const id = toolCallIdOf(foreignId, quirks);
  if (!custom) return { id, type: "function", function: { name, arguments: written } };
  // Free text in the one form that fits where tools take objects.
  return quirks.hasCustomTools ? { id, type: "custom", custom: { name, input: written } } : { id, type: "function", function: { name, arguments: JSON.stringify({ input: written }) } };
}

function buildToolMessage(result: ToolResultPart, carried: object[], warnings: Warnings, quirks: OpenaiQuirks): object {
  if (result.isError) warnings.add("messages.parts.tool_result.is_error", "The vendor has no mark for a failed tool; the result goes as it is.");
  const tool = { role: "tool", tool_call_id: toolCallIdOf(result.toolCallId, quirks) };
  if (quirks.hasMediaInToolResults) return { ...tool, content: contentOf(result.parts, warnings, quirks) };
  const texts = result.parts.filter(({ kind }) => kind.case === "text");
  const others = contentParts(result.parts.filter(({ kind }) => kind.case !== "text"), warnings, quirks);
  if (others.length > 0) {
    warnings.add("messages.parts.tool_result.parts", "The vendor takes only text as a tool's result; images and documents follow in a user message.");
    carried.push(...others);
  }
  return { ...tool, content: contentOf(texts, warnings, quirks) };
}

function contentOf(parts: readonly Part[], warnings: Warnings, quirks: OpenaiQuirks): string | object[] {
  return asContent(contentParts(parts, warnings, quirks));
}

/** A single text goes as a plain string, which every server understands. */
function asContent(parts: readonly object[]): string | object[] {
  const [only] = parts;
  if (only === undefined) return "";
  return parts.length === 1 && "text" in only && "type" in only && only.type === "text" ? (only.text as string) : [...parts];
}

function contentParts(parts: readonly Part[], warnings: Warnings, quirks: OpenaiQuirks): object[] {
  return parts.flatMap((part) => buildPart(part, warnings, quirks) ?? []);
}

function buildPart({ kind }: Part, warnings: Warnings, quirks: OpenaiQuirks): object | undefined {
  switch (kind.case) {
    case "text":
      if (kind.value.citations.length > 0) warnings.add("messages.parts.text.citations", "The vendor takes no citations back; only the text goes.");
      return { type: "text", text: kind.value.text };
    case "refusal":
      return quirks.hasRefusals ? { type: "refusal", refusal: kind.value.text } : { type: "text", text: kind.value.text };
    case "image":
      return buildImage(kind.value, warnings);
    case "audio":
      return isEarlierAudio(kind) && !quirks.hasEarlierAudio ? buildTranscript(kind.value, warnings) : buildAudio(kind.value, warnings, quirks);
    case "file":
      return buildFile(kind.value, warnings, quirks);
    case "reasoning":
      return buildThinkingPart(kind.value, warnings, quirks);
    case "native":
      if (kind.value.dialect === "openai") return parseEmbeddedJson(kind.value.json, "messages.parts.native.json");
      warnings.add("messages.parts.native", `A piece that only speakers of ${kind.value.dialect} know is left out.`);
      return undefined;
    default:
      return undefined;
  }
}

function buildTranscript({ transcript }: AudioPart, warnings: Warnings): object | undefined {
  warnings.add("messages.parts.audio", "The vendor takes no earlier sound back; its transcript goes in its place.");
  return transcript === undefined ? undefined : { type: "text", text: transcript };
}

export function noteMarker({ cacheMarker, kind }: Part, warnings: Warnings): void {
  const inner = kind.case === "toolResult" ? kind.value.parts : [];
  if (cacheMarker === undefined && inner.every((part) => part.cacheMarker === undefined)) return;
  warnings.add("messages.parts.cache_marker", "The vendor caches prompts on its own; the marker is left out.");
}
