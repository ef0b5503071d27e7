/** Owns the writing of messages: `system` apart, roles in turn, parts as content blocks. */
import { CacheMarker_Lifetime, type CacheMarker, type Citation, type Message, type NativePart, type Part, type ReasoningPart, type ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import { callIdIn } from "../../domain/translation/call-id.ts";
import { originOf } from "../../domain/translation/signature-origin.ts";
import { parseToolArguments } from "../../domain/translation/tool-arguments.ts";
import { writeTurns, type Block, type BlockWriter, type Conversation } from "../../domain/translation/turns.ts";
import { unsupportedField, type Warnings } from "../../domain/translation/warnings.ts";
import { DocumentNames, writeAudio, writeFile, writeImage } from "./write-media.ts";

/** The name under which Bedrock's own JSON stands in a NativePart. */
export const nativeDialect = "bedrock";

/** The messages in Bedrock's form. Throws UNSUPPORTED_FIELD for what it cannot take. */
export function writeConversation(messages: readonly Message[], warnings: Warnings): Conversation {
  return writeTurns(messages, new PartWriter(warnings), warnings);
}

/** The block that stands behind a block or tool with a marker. */
export function writeCachePoint(marker: CacheMarker | undefined): Block[] {
  if (marker === undefined) return [];
  switch (marker.lifetime) {
    case CacheMarker_Lifetime.FIVE_MINUTES:
      return [{ cachePoint: { type: "default", ttl: "5m" } }];
    case CacheMarker_Lifetime.ONE_HOUR:
      return [{ cachePoint: { type: "default", ttl: "1h" } }];
    default:
      return [{ cachePoint: { type: "default" } }];
  }
}

/** A piece in Bedrock's own JSON. */
export function parseNative({ dialect, json }: NativePart, path: string): Block {
  if (dialect !== nativeDialect) throw unsupportedField("Bedrock", path, `it is in the form of "${dialect}".`);
  return JSON.parse(Buffer.from(json).toString("utf8")) as Block;
}

/** Writes the parts of one request, which share the names of their documents. */
class PartWriter implements BlockWriter {
  // Converse has the roles of the user and the assistant alone.
  readonly takesLateInstructions = false;
  readonly #warnings: Warnings;
  readonly #documentNames = new DocumentNames();

  constructor(warnings: Warnings) {
    this.#warnings = warnings;
  }

  /** One block and the cache point behind it, or none for a part that has nothing to say. */
  write(part: Part, path: string): Block[] {
    const block = this.#writeKind(part.kind, path);
    return block === undefined ? [] : [block, ...writeCachePoint(part.cacheMarker ?? markerWithin(part))];
  }

  requireInstruction(block: Block, path: string): Block {
    if ("text" in block || "cachePoint" in block || "guardContent" in block) return block;
    throw unsupportedField("Bedrock", path, "instructions can hold text alone.");
  }

  #writeKind(kind: Part["kind"], path: string): Block | undefined {
    switch (kind.case) {
      case "text":
        return this.#writeText(kind.value.text, kind.value.citations);
      case "refusal":
        return this.#writeText(kind.value.text, []);
      case "image":
        return writeImage(kind.value, path, this.#warnings);
      case "audio":
        return writeAudio(kind.value, path, this.#warnings);
      case "file":
        return writeFile(kind.value, path, this.#documentNames, this.#warnings);
      case "toolCall":
        return { toolUse: { toolUseId: callIdIn(callId, kind.value.id), name: kind.value.name, input: parseToolArguments(kind.value, path) } };
      case "toolResult":
        return this.#writeToolResult(kind.value, path);
      case "reasoning":
        return this.#writeReasoning(kind.value);
      case "native":
        return parseNative(kind.value, path);
      default:
        throw unsupportedField("Bedrock", path, "the part says nothing.");
    }
  }

  /** Bedrock refuses blank text. */
  #writeText(text: string, citations: readonly Citation[]): Block | undefined {
    if (text.trim() === "") {
      if (text !== "") this.#warnings.add("messages[].parts[].text", "text of white space alone is refused there; it is left out.");
      return undefined;
    }
    const written = citations.flatMap((citation) => {
      if (citation.native?.dialect === nativeDialect) return [JSON.parse(Buffer.from(citation.native.json).toString("utf8")) as Block];
      this.#warnings.add("messages[].parts[].text.citations", "only citations that Bedrock made can be sent back; the others are left out.");
      return [];
    });
    return written.length === 0 ? { text } : { citationsContent: { content: [{ text }], citations: written } };
  }

  #writeToolResult({ toolCallId, parts, isError }: ToolResultPart, path: string): Block {
    const content = parts.flatMap((part, index) => {
      const partPath = `${path}.parts[${index}]`;
      // A cache point can stand behind the whole result only, and citations not within it.
      const block = part.kind.case === "text" ? this.#writeText(part.kind.value.text, []) : this.#writeKind(part.kind, partPath);
      return block === undefined ? [] : [requireResult(block, partPath)];
    });
    return { toolResult: { toolUseId: callIdIn(callId, toolCallId), content, ...(isError ? { status: "error" } : {}) } };
  }

  #writeReasoning({ text, signature, redactedData }: ReasoningPart): Block | undefined {
    if (redactedData !== "" && text === "" && signature === "") return { reasoningContent: { redactedContent: redactedData } };
    if (signature !== "" && originOf(signature) === undefined) return { reasoningContent: { reasoningText: { text, signature } } };
    this.#warnings.add("messages[].parts[].reasoning", "reasoning without its model's signature would be refused; it is left out.");
    return undefined;
  }
}

/** Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolUseBlock.html */
const callId = /^[\w-]{1,64}$/;

/** The marker of a piece within a tool's result. */
function markerWithin({ kind }: Part): CacheMarker | undefined {
  return kind.case === "toolResult" ? kind.value.parts.findLast(({ cacheMarker }) => cacheMarker !== undefined)?.cacheMarker : undefined;
}

/** Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolResultContentBlock.html */
function requireResult(block: Block, path: string): Block {
  if (["json", "text", "image", "document", "video", "searchResult"].some((kind) => kind in block)) return block;
  throw unsupportedField("Bedrock", path, "a tool's result can hold text, pictures, documents and videos alone.");
}
