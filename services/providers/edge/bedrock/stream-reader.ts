/** Owns the reading of one streamed reply, event by event. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StreamGenerateResponseSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { StreamReading, type ReplySummary, type StreamReader } from "../../domain/adapter.ts";
import type { StreamedEvent } from "../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../domain/usage/generated-output.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { readStreamedError } from "./errors.ts";
import { exceptionPrefix } from "./event-stream-splitter.ts";
import { isOwnTool, objectOf, readBlock, readCitation, textOf } from "./read-content.ts";
import { readEnding, readServedModel, readServiceTier } from "./read-reply.ts";
import { readUsage, type UsageJson } from "./usage.ts";

type EventInit = NonNullable<MessageInitShape<typeof StreamGenerateResponseSchema>["event"]>;

/** A block that is not stopped yet. */
interface OpenBlock {
  readonly kind: "text" | "reasoning" | "toolCall" | "whole";
  readonly partIndex: number;
  /** A block that is passed on when it is whole, as far as it has come. */
  block: Block;
  /** The input of such a block's tool, as far as it has come. */
  inputJson: string;
  /** True once a tool call has arguments. */
  hasArguments: boolean;
}

/** The most that is kept of blocks that are passed on when they are whole: what a reply in one piece may have. */
const maximumKeptCharacters = 64 * 1024 * 1024;

export class BedrockStreamReader implements StreamReader {
  readonly textMembers = [];
  readonly paddingMembers = [];
  readonly #model: string;
  readonly #open = new Map<number, OpenBlock>();
  #usage: UsageJson | undefined;
  #servedModel = "";
  #serviceTier = "";
  #stopReason = "";
  #modelFields: unknown;
  #partCount = 0;
  #keptCharacters = 0;
  #started = false;
  #finished = false;
  readonly output = new GeneratedText();

  /** The model that was asked: a stream does not name it. */
  constructor(model: string) {
    this.#model = model;
  }

  get summary(): ReplySummary {
    return { usage: readUsage(this.#usage), finishReason: this.#stopReason, servedModel: this.#servedModel, serviceTier: this.#serviceTier };
  }

  get finished(): boolean {
    return this.#finished;
  }

  read({ type, data }: StreamedEvent): StreamReading {
    if (type.startsWith(exceptionPrefix)) throw readStreamedError(type.slice(exceptionPrefix.length), data);
    return new StreamReading(this.#readEvent(type, data).map((event) => ({ event })), true);
  }

  #readEvent(type: string, data: string): EventInit[] {
    switch (type) {
      case "messageStart":
        return this.#startMessage();
      case "contentBlockStart": {
        const event = this.#parse(data);
        return this.#startBlock(indexOf(event), objectOf(event["start"]));
      }
      case "contentBlockDelta": {
        const event = this.#parse(data);
        return this.#growBlock(indexOf(event), objectOf(event["delta"]));
      }
      case "contentBlockStop":
        return this.#stopBlock(indexOf(this.#parse(data)));
      case "messageStop":
        return this.#stopMessage(this.#parse(data));
      case "metadata":
        return this.#endMessage(this.#parse(data));
      default:
        // Kinds that come later.
        return [];
    }
  }

  #startMessage(): EventInit[] {
    if (this.#started) throw protocolError("it began twice");
    this.#started = true;
    return [{ case: "start", value: { model: this.#model } }];
  }

  /** Most blocks begin with nothing: then the first delta says of what kind they are. */
  #startBlock(index: number, start: Block): EventInit[] {
    const { text: _text, reasoningContent: _reasoning, ...decided } = start;
    const toolUse = decided["toolUse"];
    if (toolUse !== undefined && !isOwnTool(objectOf(toolUse))) {
      const { toolUseId, name } = objectOf(toolUse);
      const { partIndex } = this.#openBlock(index, "toolCall", {});
      return [{ case: "partStart", value: { partIndex, part: { kind: { case: "toolCall", value: { id: textOf(toolUseId), name: textOf(name) } } } } }];
    }
    if (Object.keys(decided).length > 0) this.#openBlock(index, "whole", decided);
    return [];
  }

  #growBlock(index: number, delta: Block): EventInit[] {
    const open = this.#open.get(index);
    if (open?.kind === "whole") return this.#growWhole(open, delta);
    if (typeof delta["text"] === "string") return this.#growText(index, "text", delta["text"]);
    if (delta["citation"] !== undefined) return this.#growCitations(index, objectOf(delta["citation"]));
    if (delta["reasoningContent"] !== undefined) return this.#growReasoning(index, objectOf(delta["reasoningContent"]));
    if (delta["toolUse"] !== undefined) return this.#growInput(open, textOf(objectOf(delta["toolUse"])["input"]));
    if (Object.keys(delta).length === 0) return [];
    return this.#beginWhole(index, delta);
  }

  #growText(index: number, kind: "text" | "reasoning", text: string): EventInit[] {
    const [partIndex, begun] = this.#require(index, kind);
    this.output.add(text);
    return text === "" ? begun : [...begun, { case: "partDelta", value: { partIndex, delta: { case: "text", value: text } } }];
  }

  #growCitations(index: number, citation: Block): EventInit[] {
    const [partIndex, begun] = this.#require(index, "text");
    return [...begun, { case: "partDelta", value: { partIndex, delta: { case: "citation", value: readCitation(citation) } } }];
  }

  /** Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ReasoningContentBlockDelta.html */
  #growReasoning(index: number, delta: Block): EventInit[] {
    if (typeof delta["redactedContent"] === "string") return this.#growRedacted(index, delta["redactedContent"]);
    if (typeof delta["signature"] !== "string") return this.#growText(index, "reasoning", textOf(delta["text"]));
    const [partIndex, begun] = this.#require(index, "reasoning");
    return [...begun, { case: "partDelta", value: { partIndex, delta: { case: "signature", value: delta["signature"] } } }];
  }

  /** Encrypted reasoning has no delta in types: it goes on when it is whole. */
  #growRedacted(index: number, base64: string): EventInit[] {
    return this.#beginWhole(index, { reasoningContent: { redactedContent: base64 } });
  }

  #growInput(open: OpenBlock | undefined, json: string): EventInit[] {
    if (open?.kind !== "toolCall") throw protocolError("a tool call grew that had not begun");
    this.output.add(json);
    open.hasArguments ||= json !== "";
    return json === "" ? [] : [{ case: "partDelta", value: { partIndex: open.partIndex, delta: { case: "arguments", value: json } } }];
  }

  #beginWhole(index: number, delta: Block): EventInit[] {
    const closed = this.#stopBlock(index);
    return [...closed, ...this.#growWhole(this.#openBlock(index, "whole", {}), delta)];
  }

  #growWhole(open: OpenBlock, delta: Block): EventInit[] {
    this.#keptCharacters += JSON.stringify(delta).length;
    if (this.#keptCharacters > maximumKeptCharacters) throw protocolError(`blocks have more than ${maximumKeptCharacters} characters`);
    const input = objectOf(delta["toolUse"])["input"];
    if (typeof input === "string") open.inputJson += input;
    else open.block = grown(open.block, delta);
    return [];
  }

  #stopBlock(index: number): EventInit[] {
    this.#requireStart();
    const open = this.#open.get(index);
    // A block without content, which never said of what kind it was.
    if (open === undefined) return [];
    this.#open.delete(index);
    const { partIndex } = open;
    const end: EventInit = { case: "partEnd", value: { partIndex } };
    if (open.kind === "whole") return [{ case: "partStart", value: { partIndex, part: readBlock(wholeBlock(open)) } }, end];
    // A call without arguments streams none; in a whole reply they are `{}`.
    if (open.kind === "toolCall" && !open.hasArguments) return [...this.#growInput(open, "{}"), end];
    return [end];
  }

  #stopMessage(event: Block): EventInit[] {
    this.#stopReason = textOf(event["stopReason"]);
    this.#modelFields = event["additionalModelResponseFields"];
    return [];
  }

  /** The metadata come last, behind the message's stop. */
  #endMessage(event: Block): EventInit[] {
    this.#usage = objectOf(event["usage"]);
    this.#servedModel = readServedModel(event["trace"]);
    this.#serviceTier = readServiceTier(event["serviceTier"]);
    const rest = [...this.#open.keys()].flatMap((index) => this.#stopBlock(index));
    this.#finished = true;
    const usage = readUsage(this.#usage);
    return [
      ...rest,
      { case: "candidateEnd", value: readEnding(this.#stopReason, this.#modelFields) },
      { case: "end", value: { ...(usage === undefined ? {} : { usage }), ...(this.#serviceTier === "" ? {} : { serviceTier: this.#serviceTier }) } },
    ];
  }

  /** The place of the part that a block is, and its beginning where this is it. A block that turns to another kind becomes another part. */
  #require(index: number, kind: "text" | "reasoning"): [partIndex: number, begun: EventInit[]] {
    const open = this.#open.get(index);
    if (open?.kind === kind) return [open.partIndex, []];
    const closed = this.#stopBlock(index);
    const { partIndex } = this.#openBlock(index, kind, {});
    return [partIndex, [...closed, { case: "partStart", value: { partIndex, part: { kind: { case: kind, value: {} } } } }]];
  }

  #openBlock(index: number, kind: OpenBlock["kind"], block: Block): OpenBlock {
    if (this.#open.has(index)) throw protocolError("a block began twice");
    const open: OpenBlock = { kind, partIndex: this.#partCount++, block, inputJson: "", hasArguments: false };
    this.#open.set(index, open);
    return open;
  }

  #parse(data: string): Block {
    this.#requireStart();
    try {
      return objectOf(JSON.parse(data));
    } catch (error) {
      throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock's stream cannot be read: an event is not valid JSON.", { cause: error });
    }
  }

  #requireStart(): void {
    if (!this.#started) throw protocolError("it went on before it began");
    if (this.#finished) throw protocolError("it went on after its end");
  }
}

function indexOf(event: Block): number {
  const index = event["contentBlockIndex"];
  if (typeof index !== "number" || !Number.isSafeInteger(index) || index < 0) throw protocolError("a block has no index");
  return index;
}

/** The block as it is at its end; a tool's input came in pieces of JSON. */
function wholeBlock({ block, inputJson }: OpenBlock): Block {
  if (inputJson === "") return withJoinedBytes(block);
  try {
    return { ...block, toolUse: { ...objectOf(block["toolUse"]), input: JSON.parse(inputJson) as unknown } };
  } catch (error) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock's stream cannot be read: the input of its own tool is not valid JSON.", { cause: error });
  }
}

/** A block with what a delta adds: text is appended, a tool's results follow those before, objects grow member by member. */
function grown(block: Block, delta: Block): Block {
  const changed = Object.entries(delta).map(([name, value]) => {
    const before = block[name];
    // The results themselves; what came before them says whose they are.
    if (name === "toolResult" && Array.isArray(value)) return [name, { ...objectOf(before), content: [...((objectOf(before)["content"] as unknown[] | undefined) ?? []), ...value] }];
    if (isObject(value)) return [name, grown(objectOf(before), value)];
    return [name, typeof before === "string" && typeof value === "string" ? before + value : value];
  });
  return { ...block, ...Object.fromEntries(changed) };
}

/** The block with each of its bytes as one base64: pieces that were appended can each end in padding. */
function withJoinedBytes(block: Block): Block {
  const joined = Object.entries(block).map(([name, value]) => {
    if (isObject(value)) return [name, withJoinedBytes(value)];
    if ((name !== "bytes" && name !== "redactedContent") || typeof value !== "string") return [name, value];
    const pieces = value.split(/(?<==)(?=[^=])/).map((piece) => Buffer.from(piece, "base64"));
    return [name, Buffer.concat(pieces).toString("base64")];
  });
  return Object.fromEntries(joined) as Block;
}

function isObject(value: unknown): value is Block {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function protocolError(problem: string): GatewayError {
  return new GatewayError("UPSTREAM_PROTOCOL", `Bedrock's stream cannot be read: ${problem}.`);
}
