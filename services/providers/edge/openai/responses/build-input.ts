/** Owns messages on the way to Responses: what is said, each call, each result and each piece of reasoning is an item, in the order of the parts. */
import { ImageDetail, Role, type FilePart, type ImagePart, type Media, type Message, type Part, type ToolCallPart, type ToolResultPart } from "#gen/weir/inference/v1/content_pb.ts";
import { parseEmbeddedJson } from "../../../domain/translation/embedded-json.ts";
import type { JsonObject } from "../../../domain/translation/vendor-json.ts";
import type { Warnings } from "../../../domain/translation/warnings.ts";
import { dataUrlOf } from "../chat/build-media.ts";
import { noteMarker, wordOf } from "../chat/build-messages.ts";
import { openaiItself } from "../compatible/quirks.ts";
import { buildReasoningItem } from "./reasoning-signature.ts";
import { toolCallIdOf } from "../chat/tool-call-id.ts";

export const responsesDialect = "openai-responses";

/** @param origin the vendor, as signatures name it */
export function buildInput(messages: readonly Message[], origin: string, warnings: Warnings): JsonObject[] {
  const input = new InputItems(origin, warnings);
  for (const message of messages) input.add(message);
  return input.items;
}

class InputItems {
  readonly #built: JsonObject[] = [];
  readonly #origin: string;
  readonly #warnings: Warnings;
  /** The calls of tools that take free text, by their ids. */
  readonly #customCalls = new Set<string>();

  constructor(origin: string, warnings: Warnings) {
    this.#origin = origin;
    this.#warnings = warnings;
  }

  add({ role, name, parts }: Message): void {
    if (name !== undefined) this.#warnings.add("messages.name", "The vendor does not tell speakers of one role apart; the name is left out.");
    const word = role === Role.ASSISTANT ? "assistant" : wordOf(role, openaiItself);
    let content: JsonObject[] = [];
    const flush = (): void => {
      if (content.length > 0) this.#built.push({ role: word, content: asContent(content) });
      content = [];
    };
    for (const part of parts) {
      noteMarker(part, this.#warnings);
      const item = this.#buildItem(part.kind);
      if (item === undefined) content.push(...(word === "assistant" ? this.#buildReplied(part.kind) : this.#buildContent(part.kind)));
      else {
        flush();
        this.#built.push(...item);
      }
    }
    flush();
  }

  /**
   * The items, without reasoning that led to nothing, as where a reply was cut: "Item 'rs_…' of type 'reasoning' was provided without
   * its required following item", https://github.com/openai/openai-node/issues/1567
   */
  get items(): JsonObject[] {
    return this.#built.reduceRight<JsonObject[]>((kept, item) => {
      const [next] = kept;
      if (item["type"] !== "reasoning" || (next !== undefined && isOfModel(next))) return [item, ...kept];
      this.#warnings.add("messages.parts.reasoning", "The vendor takes reasoning back only in front of what it led to; some that led to nothing is left out.");
      return kept;
    }, []);
  }

  /** What a part is as an item of its own; none where the vendor cannot take it, undefined where the part is content of a message. */
  #buildItem(kind: Part["kind"]): readonly JsonObject[] | undefined {
    switch (kind.case) {
      case "reasoning": {
        const item = buildReasoningItem(kind.value, this.#origin);
        if (item === undefined) this.#warnings.add("messages.parts.reasoning", "The vendor takes back only reasoning that it encrypted itself; text and signatures of others are left out.");
        return item === undefined ? [] : [item];
      }
      case "toolCall":
        return [this.#buildCall(kind.value)];
      case "toolResult":
        return [this.#buildResult(kind.value)];
      case "native":
        if (kind.value.dialect === responsesDialect) return [parseEmbeddedJson(kind.value.json, "messages.parts.native.json")];
        this.#warnings.add("messages.parts.native", `A piece that only speakers of ${kind.value.dialect} know is left out.`);
        return [];
      default:
        return undefined;
    }
  }

  #buildCall({ id, name, arguments: written, custom }: ToolCallPart): JsonObject {
    const callId = toolCallIdOf(id, openaiItself);
    if (!custom) return { type: "function_call", call_id: callId, name, arguments: written };
    this.#customCalls.add(callId);
    return { type: "custom_tool_call", call_id: callId, name, input: written };
  }

  #buildResult({ toolCallId, parts, isError }: ToolResultPart): JsonObject {
    if (isError) this.#warnings.add("messages.parts.tool_result.is_error", "The vendor has no mark for a failed tool; the result goes as it is.");
    const callId = toolCallIdOf(toolCallId, openaiItself);
    const output = parts.flatMap(({ kind }) => this.#buildContent(kind));
    return { type: this.#customCalls.has(callId) ? "custom_tool_call_output" : "function_call_output", call_id: callId, output: asOutput(output) };
  }

  /** What the model said can be text alone. */
  #buildReplied(kind: Part["kind"]): JsonObject[] {
    if (kind.case === "refusal") return [{ type: "refusal", refusal: kind.value.text }];
    if (kind.case !== "text") {
      this.#warnings.add("messages.parts", `The vendor takes back what the model said as text alone; the ${kind.case ?? "unknown part"} is left out.`);
      return [];
    }
    if (kind.value.citations.length > 0) this.#warnings.add("messages.parts.text.citations", "The vendor takes no citations back; only the text goes.");
    return [{ type: "output_text", text: kind.value.text }];
  }

  #buildContent(kind: Part["kind"]): JsonObject[] {
    switch (kind.case) {
      case "text":
      case "refusal":
        return [{ type: "input_text", text: kind.value.text }];
      case "image":
        return [buildImage(kind.value)];
      case "file":
        return [this.#buildFile(kind.value)];
      default:
        this.#warnings.add("messages.parts", `OpenAI's Responses take no ${kind.case ?? "unknown part"} there; it is left out.`);
        return [];
    }
  }

  #buildFile({ media, filename, title, context, citationsEnabled }: FilePart): JsonObject {
    if (title !== undefined) this.#warnings.add("messages.parts.file.title", "The vendor takes no titles; it is left out.");
    if (context !== undefined) this.#warnings.add("messages.parts.file.context", "The vendor takes no context for a document; it is left out.");
    if (citationsEnabled) this.#warnings.add("messages.parts.file.citations_enabled", "The vendor does not cite documents.");
    // Bytes are refused without a name; at an address or under an id the document has one.
    const named = filename ?? (media?.source.case === "data" ? "document" : undefined);
    return { type: "input_file", ...placeOf(media, "file_url", "file_data"), ...(named === undefined ? {} : { filename: named }) };
  }
}

function buildImage({ media, detail }: ImagePart): JsonObject {
  return { type: "input_image", ...placeOf(media, "image_url", "image_url"), detail: details.get(detail) ?? "auto" };
}

const details: ReadonlyMap<ImageDetail, string> = new Map<ImageDetail, string>([
  [ImageDetail.LOW, "low"],
  [ImageDetail.HIGH, "high"],
]);

/** Where the bytes are, or they themselves. */
function placeOf(media: Media | undefined, urlMember: string, dataMember: string): JsonObject {
  if (media?.source.case === "fileId") return { file_id: media.source.value };
  return media?.source.case === "url" ? { [urlMember]: media.source.value } : { [dataMember]: dataUrlOf(media) };
}

/** A single text goes as a plain string. */
function asContent(parts: readonly JsonObject[]): unknown {
  const [only] = parts;
  return parts.length === 1 && only!["text"] !== undefined ? only!["text"] : parts;
}

function asOutput(parts: readonly JsonObject[]): unknown {
  return parts.every(({ type }) => type === "input_text") ? parts.map(({ text }) => text).join("") : parts;
}

/** Whether the model made it, and no caller. */
function isOfModel({ type, role }: JsonObject): boolean {
  return role === "assistant" || (role === undefined && typeof type === "string" && !type.endsWith("_output"));
}
