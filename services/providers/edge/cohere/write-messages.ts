/** Owns messages on the way to Cohere, and the documents that stand beside them there. */
import { ImageDetail, Role, type Citation, type FilePart, type ImagePart, type Message, type Part, type ToolCallPart, type ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseEmbeddedJson } from "../../domain/translation/embedded-json.ts";
import { howToSendBytes } from "../../domain/media/remote-media.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";

/** The word for what is in Cohere's own JSON. */
export const nativeDialect = "cohere";

export interface Conversation {
  readonly messages: readonly object[];
  /** Texts to draw on and to cite, in the order in which they occurred. */
  readonly documents: readonly object[];
}

/** Throws UNSUPPORTED_FIELD for content that Cohere cannot take. */
export function writeConversation(messages: readonly Message[], warnings: Warnings): Conversation {
  const writer = new ConversationWriter(warnings);
  messages.forEach((message, index) => writer.add(message, `messages[${index}]`));
  return writer.end();
}

/** The place of a document among those of the request, by the id that it was sent with. */
export function documentIndexOf(id: string): number | undefined {
  const [, index] = /^document:(\d+)$/.exec(id) ?? [];
  return index === undefined ? undefined : Number(index);
}

class ConversationWriter {
  readonly #warnings: Warnings;
  readonly #messages: object[] = [];
  readonly #documents: object[] = [];
  /** Pictures out of tools' results, which wait until all results of the turn have been written. */
  #carried: object[] = [];

  constructor(warnings: Warnings) {
    this.#warnings = warnings;
  }

  add(message: Message, path: string): void {
    if (message.name !== undefined) this.#warnings.add("messages.name", "Cohere does not tell speakers of one role apart; the name is left out.");
    for (const part of message.parts) this.#noteMarker(part);
    const results = message.parts.flatMap(({ kind }) => (kind.case === "toolResult" ? [kind.value] : []));
    const others = message.parts.filter(({ kind }) => kind.case !== "toolResult");
    if (results.length === 0) this.#flush();
    for (const result of results) this.#messages.push(this.#writeToolResult(result, path));
    if (others.length === 0 && results.length > 0) return;
    this.#flush();
    this.#messages.push(this.#writeMessage(message.role, others, path));
  }

  end(): Conversation {
    this.#flush();
    return { messages: this.#messages, documents: this.#documents };
  }

  #flush(): void {
    if (this.#carried.length > 0) this.#messages.push({ role: "user", content: this.#carried });
    this.#carried = [];
  }

  #writeMessage(role: Role, parts: readonly Part[], path: string): object {
    switch (role) {
      case Role.SYSTEM:
      case Role.DEVELOPER:
        return { role: "system", content: asContent(parts.flatMap((part) => requireText(this.#writePart(part, path), path))) };
      case Role.ASSISTANT:
        return { role: "assistant", ...this.#writeAssistant(parts, path) };
      case Role.USER:
      // What stands beside a tool's results is the user's word.
      case Role.TOOL:
        return { role: "user", content: asContent(parts.flatMap((part) => this.#writePart(part, path))) };
      default:
        throw new GatewayError("INVALID_REQUEST", "A message has no role; say who speaks.", { fieldViolations: [{ field: "messages.role", description: "must be set" }] });
    }
  }

  /** What is said beside calls of tools is their plan, as Cohere's models themselves have it. */
  #writeAssistant(parts: readonly Part[], path: string): object {
    const calls = parts.flatMap(({ kind }) => (kind.case === "toolCall" ? [writeToolCall(kind.value)] : []));
    const said = parts.filter(({ kind }) => kind.case !== "toolCall").flatMap((part) => this.#writePart(part, path));
    const citations = parts.flatMap(({ kind }) => (kind.case === "text" ? this.#writeCitations(kind.value.citations) : []));
    const cited = citations.length === 0 ? {} : { citations };
    if (calls.length === 0) return { content: asContent(said), ...cited };
    const plan = said.flatMap((block) => (isText(block) ? [block.text] : [])).join("");
    const content = said.filter((block) => !isText(block));
    return { ...(content.length === 0 ? {} : { content }), ...(plan === "" ? {} : { tool_plan: plan }), tool_calls: calls, ...cited };
  }

  #writeToolResult(result: ToolResultPart, path: string): object {
    if (result.isError) this.#warnings.add("messages.parts.tool_result.is_error", "Cohere has no mark for a failed tool; the result goes as it is.");
    const content = result.parts.flatMap((part): object[] => {
      if (part.kind.case === "file") return [{ type: "document", document: { data: dataOf(part.kind.value, path) } }];
      const blocks = this.#writePart(part, path);
      const texts = blocks.filter(isText);
      if (texts.length < blocks.length) {
        this.#warnings.add("messages.parts.tool_result.parts", "Cohere takes only text and documents as a tool's result; pictures follow in a user message.");
        this.#carried.push(...blocks.filter((block) => !isText(block)));
      }
      return texts;
    });
    return { role: "tool", tool_call_id: result.toolCallId, content: asContent(content) };
  }

  /** The blocks of one part; none for a part that goes elsewhere, or has nothing to say. */
  #writePart({ kind }: Part, path: string): object[] {
    switch (kind.case) {
      case "text":
      case "refusal":
        return kind.value.text === "" ? [] : [{ type: "text", text: kind.value.text }];
      case "image":
        return [writeImage(kind.value, path)];
      case "file":
        this.#documents.push({ id: `document:${this.#documents.length}`, data: dataOf(kind.value, path) });
        return [];
      case "audio":
        if (kind.value.transcript === undefined) throw unsupportedField("Cohere", path, "it takes no sound; send its transcript.");
        this.#warnings.add("messages.parts.audio", "The transcript is sent in place of the sound.");
        return [{ type: "text", text: kind.value.transcript }];
      case "reasoning":
        if (kind.value.redactedData !== "") this.#warnings.add("messages.parts.reasoning.redacted_data", "Reasoning that another vendor encrypted says nothing to Cohere; it is left out.");
        if (kind.value.signature !== "") this.#warnings.add("messages.parts.reasoning.signature", "Cohere signs no reasoning; the signature of another vendor is left out.");
        return kind.value.text === "" ? [] : [{ type: "thinking", thinking: kind.value.text }];
      case "native":
        if (kind.value.dialect === nativeDialect) return [parseEmbeddedJson(kind.value.json, "messages.parts.native.json")];
        throw unsupportedField("Cohere", path, `the part is in the form of "${kind.value.dialect}".`);
      default:
        throw unsupportedField("Cohere", path, "the part says nothing.");
    }
  }

  #writeCitations(citations: readonly Citation[]): object[] {
    return citations.flatMap(({ native }) => {
      if (native?.dialect === nativeDialect) return [parseEmbeddedJson(native.json, "messages.parts.text.citations.native.json")];
      this.#warnings.add("messages.parts.text.citations", "Only citations that Cohere made can be sent back; the others are left out.");
      return [];
    });
  }

  #noteMarker({ cacheMarker, kind }: Part): void {
    const inner = kind.case === "toolResult" ? kind.value.parts : [];
    if (cacheMarker === undefined && inner.every((part) => part.cacheMarker === undefined)) return;
    this.#warnings.add("messages.parts.cache_marker", "Cohere caches prompts on its own; the marker is left out.");
  }
}

function writeToolCall({ id, name, arguments: written, custom }: ToolCallPart): object {
  // Free text of a custom tool, in the one form that fits: Cohere's tools take objects.
  const json = custom ? JSON.stringify({ input: written }) : written;
  return { id, type: "function", function: { name, arguments: json === "" ? "{}" : json } };
}

function writeImage({ media, detail }: ImagePart, path: string): object {
  const word = details.get(detail);
  const { source, mediaType } = media!;
  if (source.case !== "data" && source.case !== "url") throw unsupportedField("Cohere", path, "a picture must be bytes or an address.");
  const url = source.case === "url" ? source.value : `data:${mediaType};base64,${Buffer.from(source.value).toString("base64")}`;
  return { type: "image_url", image_url: { url, ...(word === undefined ? {} : { detail: word }) } };
}

const details: ReadonlyMap<ImageDetail, string> = new Map<ImageDetail, string>([
  [ImageDetail.AUTO, "auto"],
  [ImageDetail.LOW, "low"],
  [ImageDetail.HIGH, "high"],
]);

/** A document's facts by name; all of them are shown to the model. */
function dataOf({ media, title, filename, context }: FilePart, path: string): object {
  if (media?.source.case !== "data" || !isTextual(media.mediaType)) throw unsupportedField("Cohere", path, media?.source.case === "data" ? `a document must be text, not "${media.mediaType}".` : `it takes documents as bytes alone; ${howToSendBytes(media)}`);
  const name = title ?? filename;
  return {
    ...(name === undefined ? {} : { title: name }),
    ...(context === undefined ? {} : { context }),
    text: Buffer.from(media.source.value).toString("utf8"),
  };
}

function isTextual(mediaType: string): boolean {
  return mediaType.startsWith("text/") || /^application\/(.*\+)?json$/.test(mediaType);
}

function requireText(blocks: readonly object[], path: string): object[] {
  if (!blocks.every(isText)) throw unsupportedField("Cohere", path, "instructions can hold text alone.");
  return [...blocks];
}

function isText(block: object): block is { readonly type: "text"; readonly text: string } {
  return "type" in block && block.type === "text" && "text" in block && typeof block.text === "string";
}

/** A single text goes as a plain string, as in all of Cohere's examples. */
function asContent(blocks: readonly object[]): string | readonly object[] {
  const [only] = blocks;
  if (only === undefined) return "";
  return blocks.length === 1 && isText(only) ? only.text : blocks;
}
