/** Owns the writing of messages: the instructions apart, roles in turn, parts in Gemini's form. */
import { ImageDetail, Role, type ImagePart, type Message, type Part, type ReasoningPart, type ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import { parseToolArguments } from "../../domain/translation/tool-arguments.ts";
import type { JsonObject } from "../../domain/translation/vendor-json.ts";
import type { ModelFacts } from "./model-facts.ts";
import { nativeDialect } from "./reply-json.ts";
import { openSignature, skippedSignature, type SignedPart } from "./thought-signatures.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";
import { writeMedia } from "./write-media.ts";

interface Turn {
  readonly role: "user" | "model";
  readonly parts: JsonObject[];
}

export interface Conversation {
  readonly systemInstruction?: { readonly parts: readonly JsonObject[] };
  readonly contents: readonly Turn[];
}

/** What the writing of one part may have to know. */
interface Context {
  readonly facts: ModelFacts;
  readonly warnings: Warnings;
  /** The names of the tools that were asked for so far, by the calls' ids: Gemini wants the name with the result. */
  readonly callNames: Map<string, string>;
}

/**
 * The messages in Gemini's form. Instructions of the operator and the developer go to `systemInstruction`, wherever they stood;
 * results of tools are part of the user's turn; neighbours of one role become one turn, because Gemini wants them in turn.
 */
export function writeConversation(messages: readonly Message[], facts: ModelFacts, warnings: Warnings): Conversation {
  const context: Context = { facts, warnings, callNames: new Map() };
  const instructions: JsonObject[] = [];
  const contents: Turn[] = [];
  messages.forEach((message, index) => {
    const path = `messages[${index}]`;
    if (message.name !== undefined) warnings.add("messages[].name", "speakers have no names; it is left out.");
    if (message.role === Role.SYSTEM || message.role === Role.DEVELOPER) {
      const parts = message.parts.flatMap((part, partIndex) => writeInstruction(part, `${path}.parts[${partIndex}]`, context));
      if (contents.length > 0 && parts.length > 0) warnings.add("messages[].role", "instructions amid the conversation were moved to its start.");
      instructions.push(...parts);
      return;
    }
    const role = message.role === Role.ASSISTANT ? "model" : "user";
    const parts = role === "model" ? writeModelParts(message.parts, path, context) : message.parts.flatMap((part, partIndex) => writePart(part, `${path}.parts[${partIndex}]`, context));
    const last = contents.at(-1);
    if (last?.role === role) last.parts.push(...parts);
    else if (parts.length > 0) contents.push({ role, parts });
  });
  return { ...(instructions.length === 0 ? {} : { systemInstruction: { parts: instructions } }), contents };
}

function writeInstruction(part: Part, path: string, context: Context): JsonObject[] {
  if (part.kind.case !== "text" && part.kind.case !== "refusal") throw unsupportedField("Gemini", path, "instructions can hold text alone.");
  return writePart(part, path, context);
}

/** What the model said, with its signatures back in the parts that they sign. */
function writeModelParts(parts: readonly Part[], path: string, context: Context): JsonObject[] {
  const signatures = new Map<string, SignedPart>();
  for (const { kind } of parts) {
    const signed = kind.case === "reasoning" ? openSignature(kind.value.signature) : undefined;
    if (signed !== undefined && signed.kind !== "thought") signatures.set(`${signed.kind}:${signed.ordinal}`, signed);
  }
  const counts = { call: 0, text: 0, media: 0 };
  const written = parts.flatMap((part, index) =>
    writePart(part, `${path}.parts[${index}]`, context).map((json) => {
      const kind = signedKindOf(part);
      if (kind === undefined) return json;
      const key = `${kind}:${counts[kind]++}`;
      const signed = signatures.get(key);
      signatures.delete(key);
      return signed === undefined ? json : { ...json, thoughtSignature: signed.signature };
    }),
  );
  // A stream may end with a signature alone, and then it comes in a part without text.
  for (const { kind, signature } of signatures.values()) if (kind === "text") written.push({ text: "", thoughtSignature: signature });
  return context.facts.wantsSignatures ? signFirstCall(written) : written;
}

/** Of the calls that a model asks for at once only the first is signed, and that signature must be there. */
function signFirstCall(parts: JsonObject[]): JsonObject[] {
  const first = parts.findIndex((part) => "functionCall" in part);
  if (first < 0 || "thoughtSignature" in parts[first]!) return parts;
  return parts.with(first, { ...parts[first]!, thoughtSignature: skippedSignature });
}

function signedKindOf({ kind }: Part): "call" | "text" | "media" | undefined {
  switch (kind.case) {
    case "toolCall":
      return "call";
    case "text":
      return "text";
    case "image":
    case "audio":
    case "file":
      return "media";
    default:
      return undefined;
  }
}

/** The parts for one part: none for one that has nothing to say, several where media must stand beside. */
function writePart(part: Part, path: string, context: Context): JsonObject[] {
  const { kind, cacheMarker } = part;
  const { warnings, facts } = context;
  if (cacheMarker !== undefined) warnings.add("messages[].parts[].cache_marker", "Gemini caches prompts on its own; the marker is left out.");
  switch (kind.case) {
    case "text":
      if (kind.value.citations.length > 0) warnings.add("messages[].parts[].text.citations", "citations cannot be sent back; they are left out.");
      return writeText(kind.value.text);
    case "refusal":
      return writeText(kind.value.text);
    case "image":
      return [{ ...writeMedia(kind.value.media, path), ...writeResolution(kind.value, facts, warnings) }];
    case "audio":
      if (kind.value.media?.source.case !== undefined) return [writeMedia(kind.value.media, path)];
      if (kind.value.transcript === undefined) throw unsupportedField("Gemini", path, "it takes sound as bytes or by an address.");
      warnings.add("messages[].parts[].audio", "the transcript is sent in place of the sound.");
      return writeText(kind.value.transcript);
    case "file":
      if (kind.value.filename !== undefined) warnings.add("messages[].parts[].file.filename", "documents have no names; it is left out.");
      if (kind.value.title !== undefined) warnings.add("messages[].parts[].file.title", "documents have no titles; it is left out.");
      if (kind.value.citationsEnabled) warnings.add("messages[].parts[].file.citations_enabled", "Gemini does not cite documents of a request.");
      return [...writeText(kind.value.context ?? ""), writeMedia(kind.value.media, path)];
    case "toolCall":
      context.callNames.set(kind.value.id, kind.value.name);
      return [{ functionCall: { ...(kind.value.id === "" ? {} : { id: kind.value.id }), name: kind.value.name, args: parseToolArguments(kind.value, path) } }];
    case "toolResult":
      return writeToolResult(kind.value, path, context);
    case "reasoning":
      return writeReasoning(kind.value, warnings);
    case "native":
      if (kind.value.dialect !== nativeDialect) throw unsupportedField("Gemini", path, `the part is in the form of "${kind.value.dialect}".`);
      return [parseEmbeddedJson(kind.value.json, `${path}.native.json`)];
    default:
      throw unsupportedField("Gemini", path, "the part says nothing.");
  }
}

/** Gemini refuses empty text. */
function writeText(text: string): JsonObject[] {
  return text === "" ? [] : [{ text }];
}

function writeResolution({ detail }: ImagePart, facts: ModelFacts, warnings: Warnings): JsonObject {
  if (detail !== ImageDetail.LOW && detail !== ImageDetail.HIGH) return {};
  if (facts.takesPartOptions) return { mediaResolution: { level: detail === ImageDetail.LOW ? "MEDIA_RESOLUTION_LOW" : "MEDIA_RESOLUTION_HIGH" } };
  warnings.add("messages[].parts[].image.detail", "the model decides how closely to look.");
  return {};
}

/** Thoughts go back as thoughts, whoever had them; what another vendor signed or encrypted means nothing to Gemini. */
function writeReasoning({ text, signature, redactedData }: ReasoningPart, warnings: Warnings): JsonObject[] {
  const signed = openSignature(signature);
  if (redactedData !== "") warnings.add("messages[].parts[].reasoning.redacted_data", "Gemini cannot read what another vendor encrypted; it is left out.");
  if (signature !== "" && signed === undefined) warnings.add("messages[].parts[].reasoning.signature", "Gemini cannot read what another vendor signed; the signature is left out.");
  if (text === "" && signed?.kind !== "thought") return [];
  return [{ thought: true, text, ...(signed?.kind === "thought" ? { thoughtSignature: signed.signature } : {}) }];
}

/** Text goes as it is, so that no number in it loses a digit; several texts go as a list. */
function writeToolResult(result: ToolResultPart, path: string, { facts, warnings, callNames }: Context): JsonObject[] {
  const name = callNames.get(result.toolCallId);
  if (name === undefined) throw invalid(`${path}.tool_result.tool_call_id`, "must be the id of a tool call in an earlier message");
  const texts: string[] = [];
  const media: JsonObject[] = [];
  result.parts.forEach(({ kind }, index) => {
    const partPath = `${path}.parts[${index}]`;
    if (kind.case === "text" || kind.case === "refusal") texts.push(kind.value.text);
    else if (kind.case === "image" || kind.case === "file" || kind.case === "audio") media.push(writeMedia(kind.value.media, partPath));
    else throw unsupportedField("Gemini", partPath, "the result of a tool can hold text and media alone.");
  });
  const inside = facts.takesPartOptions ? media.filter((part) => "inlineData" in part) : [];
  const beside = media.filter((part) => !inside.includes(part));
  if (beside.length > 0) warnings.add("messages[].parts[].tool_result.parts", "media that cannot stand in a tool's result stands behind it.");
  const response = { [result.isError ? "error" : "output"]: texts.length > 1 ? texts : (texts[0] ?? "") };
  const id = result.toolCallId === "" ? {} : { id: result.toolCallId };
  return [{ functionResponse: { ...id, name, response, ...(inside.length === 0 ? {} : { parts: inside }) } }, ...beside];
}

function invalid(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${field} ${description}.`, { fieldViolations: [{ field, description }] });
}
