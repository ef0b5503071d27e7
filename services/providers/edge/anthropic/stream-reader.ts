/** Owns the reading of one streamed reply, event by event. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { PartSchema, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { StreamGenerateResponseSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { StreamReading, type ReplySummary, type StreamReader } from "../../domain/adapter.ts";
import type { StreamedEvent } from "../../domain/reply/event-splitter.ts";
import { GeneratedText } from "../../domain/usage/generated-output.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { readErrorEvent } from "./errors.ts";
import { listOf, readBlock, readCitation, textOf } from "./read-content.ts";
import { readRefusal, type MessageJson } from "./read-reply.ts";
import { readStopReason } from "./stop-reason.ts";
import { mergeUsage, priceTierOf, readUsage, type UsageJson } from "./usage.ts";

type EventInit = NonNullable<MessageInitShape<typeof StreamGenerateResponseSchema>["event"]>;

/** A block that is not stopped yet. */
interface OpenBlock {
  readonly start: Block;
  /** The part of a block that types know; a native one is passed on whole when it is stopped. */
  readonly part: Part | undefined;
  /** The tool arguments so far. */
  inputJson: string;
  /** A native block's own members, as deltas change them. */
  native: Block;
}

export class AnthropicStreamReader implements StreamReader {
  // Not `partial_json`: the input of Anthropic's own tools is put together here, piece by piece.
  readonly textMembers = ["text", "thinking"];
  readonly paddingMembers = [];
  readonly #open = new Map<number, OpenBlock>();
  #usage: UsageJson = {};
  #servedModel = "";
  #stopReason = "";
  #stopSequence: string | undefined;
  #stopDetails: unknown;
  #partCount = 0;
  #started = false;
  #finished = false;
  readonly output = new GeneratedText();

  get summary(): ReplySummary {
    return { usage: readUsage(this.#usage), finishReason: this.#stopReason, servedModel: this.#servedModel, serviceTier: priceTierOf(this.#usage) };
  }

  get finished(): boolean {
    return this.#finished;
  }

  get terminated(): boolean {
    return this.#finished;
  }

  /** Every event is the caller's to see: Anthropic sends none that Weir had to ask for. */
  read(event: StreamedEvent): StreamReading {
    const events = event.data === "" ? [] : this.#readData(event.data);
    return new StreamReading(events.map((event) => ({ event })), true);
  }

  #readData(data: string): EventInit[] {
    const event = parseEvent(data);
    switch (event["type"]) {
      case "message_start":
        return this.#startMessage((event["message"] ?? {}) as MessageJson);
      case "content_block_start":
        return this.#startBlock(this.#indexOf(event), (event["content_block"] ?? {}) as Block);
      case "content_block_delta":
        return this.#growBlock(this.#indexOf(event), (event["delta"] ?? {}) as Block);
      case "content_block_stop":
        return this.#stopBlock(this.#indexOf(event));
      case "message_delta":
        return this.#changeMessage((event["delta"] ?? {}) as Block, event["usage"] as UsageJson | undefined);
      case "message_stop":
        return this.#endMessage();
      case "error":
        throw readErrorEvent(data);
      default:
        // `ping`, and kinds that come later: https://platform.claude.com/docs/en/build-with-claude/streaming says to expect them.
        return [];
    }
  }

  #startMessage(message: MessageJson): EventInit[] {
    if (this.#started) throw protocolError("it began twice");
    this.#started = true;
    this.#usage = mergeUsage({}, message.usage);
    this.#servedModel = textOf(message["model"]);
    const usage = readUsage(this.#usage);
    return [{ case: "start", value: { id: textOf(message["id"]), model: this.#servedModel, ...(usage === undefined ? {} : { usage }) } }];
  }

  #startBlock(partIndex: number, start: Block): EventInit[] {
    this.#partCount = Math.max(this.#partCount, partIndex + 1);
    const part = emptyPart(start);
    this.#open.set(partIndex, { start, part, inputJson: "", native: start });
    if (part === undefined) return [];
    return [{ case: "partStart", value: { partIndex, part } }, ...this.#growthOf(partIndex, start)];
  }

  /** What a block already held when it began, as deltas. */
  #growthOf(partIndex: number, { type, text, thinking, signature, citations }: Block): EventInit[] {
    const words = type === "text" ? textOf(text) : type === "thinking" ? textOf(thinking) : "";
    return [
      ...(words === "" ? [] : this.#growBlock(partIndex, { type: "text_delta", text: words })),
      ...(type === "thinking" && textOf(signature) !== "" ? this.#growBlock(partIndex, { type: "signature_delta", signature }) : []),
      ...(type === "text" ? listOf(citations).flatMap((citation) => this.#growBlock(partIndex, { type: "citations_delta", citation })) : []),
    ];
  }

  #growBlock(partIndex: number, delta: Block): EventInit[] {
    const open = this.#open.get(partIndex);
    if (open === undefined) throw protocolError("a block grew that had not begun");
    switch (delta["type"]) {
      case "text_delta":
        return this.#growText(partIndex, textOf(delta["text"]));
      case "thinking_delta":
        return this.#growText(partIndex, textOf(delta["thinking"]));
      case "input_json_delta":
        return this.#growInput(partIndex, open, textOf(delta["partial_json"]));
      case "signature_delta":
        return [{ case: "partDelta", value: { partIndex, delta: { case: "signature", value: textOf(delta["signature"]) } } }];
      case "citations_delta":
        return [{ case: "partDelta", value: { partIndex, delta: { case: "citation", value: readCitation((delta["citation"] ?? {}) as Block) } } }];
      default:
        open.native = grown(open.native, delta);
        return [];
    }
  }

  #growText(partIndex: number, text: string): EventInit[] {
    this.output.add(text);
    return text === "" ? [] : [{ case: "partDelta", value: { partIndex, delta: { case: "text", value: text } } }];
  }

  #growInput(partIndex: number, open: OpenBlock, json: string): EventInit[] {
    this.output.add(json);
    open.inputJson += json;
    if (open.part === undefined || json === "") return [];
    return [{ case: "partDelta", value: { partIndex, delta: { case: "arguments", value: json } } }];
  }

  #stopBlock(partIndex: number): EventInit[] {
    const open = this.#open.get(partIndex);
    if (open === undefined) throw protocolError("a block ended that had not begun");
    this.#open.delete(partIndex);
    const end: EventInit = { case: "partEnd", value: { partIndex } };
    if (open.part === undefined) return [{ case: "partStart", value: { partIndex, part: readBlock(withInput(open)) } }, end];
    // A call without arguments streams none; in a whole reply they are `{}`.
    if (open.start["type"] === "tool_use" && open.inputJson === "") return [...this.#growInput(partIndex, open, JSON.stringify(open.start["input"] ?? {})), end];
    return [end];
  }

  #changeMessage(delta: Block, usage: UsageJson | undefined): EventInit[] {
    this.#requireStart();
    this.#usage = mergeUsage(this.#usage, usage);
    if (typeof delta["stop_reason"] === "string") this.#stopReason = delta["stop_reason"];
    if (typeof delta["stop_sequence"] === "string") this.#stopSequence = delta["stop_sequence"];
    this.#stopDetails = delta["stop_details"] ?? this.#stopDetails;
    return [];
  }

  #endMessage(): EventInit[] {
    this.#requireStart();
    this.#finished = true;
    const usage = readUsage(this.#usage);
    const serviceTier = textOf(this.#usage.service_tier);
    return [
      ...[...this.#open.keys()].flatMap((partIndex) => this.#stopBlock(partIndex)),
      ...this.#refusal(),
      {
        case: "candidateEnd",
        value: {
          finishReason: readStopReason(this.#stopReason),
          nativeFinishReason: this.#stopReason,
          ...(this.#stopSequence === undefined ? {} : { stopSequence: this.#stopSequence }),
        },
      },
      { case: "end", value: { ...(usage === undefined ? {} : { usage }), ...(serviceTier === "" ? {} : { serviceTier }) } },
    ];
  }

  #refusal(): EventInit[] {
    return readRefusal(this.#stopDetails).flatMap((part): EventInit[] => {
      const partIndex = this.#partCount++;
      return [
        { case: "partStart", value: { partIndex, part: { kind: { case: "refusal", value: {} } } } },
        ...(part.kind.case === "refusal" ? this.#growText(partIndex, part.kind.value.text) : []),
        { case: "partEnd", value: { partIndex } },
      ];
    });
  }

  #indexOf(event: Block): number {
    this.#requireStart();
    const index = event["index"];
    if (typeof index !== "number" || !Number.isSafeInteger(index) || index < 0 || index > 0x7fffffff) throw protocolError("a block has no index");
    return index;
  }

  #requireStart(): void {
    if (!this.#started) throw protocolError("it went on before it began");
    if (this.#finished) throw protocolError("it went on after its end");
  }
}

/** The part for a block that begins, without what will grow by deltas; undefined for a native one. */
function emptyPart(block: Block): Part | undefined {
  switch (block["type"]) {
    case "text":
      return create(PartSchema, { kind: { case: "text", value: {} } });
    case "thinking":
      return create(PartSchema, { kind: { case: "reasoning", value: {} } });
    case "redacted_thinking":
      return readBlock(block);
    case "tool_use":
      return create(PartSchema, { kind: { case: "toolCall", value: { id: textOf(block["id"]), name: textOf(block["name"]) } } });
    default:
      return undefined;
  }
}

/** The native block as it is at its end; its input came in pieces of JSON. */
function withInput({ native, inputJson }: OpenBlock): Block {
  if (inputJson === "") return native;
  try {
    return { ...native, input: JSON.parse(inputJson) as unknown };
  } catch (error) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Anthropic's stream cannot be read: the input of its own tool is not valid JSON.", { cause: error });
  }
}

/** A native block after a delta of a kind that is not known: text is appended, all else replaced. */
function grown(block: Block, { type: _type, ...members }: Block): Block {
  const changed = Object.entries(members).map(([name, value]) => {
    const before = block[name];
    return [name, typeof before === "string" && typeof value === "string" ? before + value : value];
  });
  return { ...block, ...Object.fromEntries(changed) };
}

function parseEvent(data: string): Block {
  let event: unknown;
  try {
    event = JSON.parse(data);
  } catch (error) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Anthropic's stream cannot be read: an event is not valid JSON.", { cause: error });
  }
  if (typeof event !== "object" || event === null) throw protocolError("an event is no object");
  return event as Block;
}

function protocolError(problem: string): GatewayError {
  return new GatewayError("UPSTREAM_PROTOCOL", `Anthropic's stream cannot be read: ${problem}.`);
}
