/** Owns reading a streamed reply: cuts it into events, reads them for the ledger, and passes on bytes or types. */
import type { Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { StreamReading, type ReplySummary, type StreamReader } from "../adapter.ts";
import type { EventSplitter, StreamedEvent } from "./event-splitter.ts";
import type { Output } from "../usage/generated-output.ts";
import { RepeatedEvent } from "./repeated-event.ts";
import type { ReplyReader } from "./reply-reader.ts";
import { giveBackNameOf, type GivenToolNames } from "../translation/tool-names.ts";

export class StreamedReply implements ReplyReader {
  readonly #reader: StreamReader;
  readonly #native: boolean;
  readonly #warnings: readonly Warning[];
  readonly #splitter: EventSplitter;
  readonly #model: string;
  readonly #givenNames: GivenToolNames;
  #pieces: Uint8Array[] = [];
  #events: StreamGenerateResponse[] = [];
  // Comments alone are no reply: until the first event, a failure can still be answered by another target.
  #begun = false;
  waitingBytes = 0;
  // Where bytes go through untouched, an event like the one that was last read needs no reading: its text is only counted.
  #lastRead: RepeatedEvent | undefined;

  /** Where there are types, the warnings, and the model's name where the vendor says none, go with the start event, and tools have the names that the caller gave them. */
  constructor(reader: StreamReader, splitter: EventSplitter, native: boolean, warnings: readonly Warning[], model: string, givenNames: GivenToolNames = asTheyAre) {
    this.#splitter = splitter;
    this.#reader = reader;
    this.#native = native;
    this.#warnings = warnings;
    this.#model = model;
    this.#givenNames = givenNames;
  }

  get complete(): boolean {
    return this.#reader.finished;
  }

  get terminated(): boolean {
    return this.#reader.terminated === true;
  }

  get summary(): ReplySummary {
    return this.#reader.summary;
  }

  get output(): Output {
    return this.#reader.output;
  }

  push(chunk: Buffer): void {
    // Chunks mostly are one event each: then it need not even be looked for.
    if (this.#splitter.isBetweenEvents && this.#countRepeated(chunk)) return;
    for (const event of this.#splitter.push(chunk)) this.#read(event);
  }

  end(): void {
    const rest = this.#splitter.flush();
    if (rest !== undefined) this.#read(rest);
    if (!this.complete) throw new GatewayError("UPSTREAM_INTERRUPTED", "The vendor's stream ended before its end.");
    this.close();
  }

  close(): void {
    if (!this.#native) this.#pass(new StreamReading(this.#reader.close?.() ?? [], true).toEvents());
  }

  take(): AttemptResponse | undefined {
    if (!this.#begun) return undefined;
    if (this.#native) {
      if (this.#pieces.length === 0) return undefined;
      const native = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
      this.#pieces = [];
      this.waitingBytes = 0;
      return messageOf(native, []);
    }
    if (this.#events.length === 0) return undefined;
    const events = this.#events;
    this.#events = [];
    this.waitingBytes = 0;
    return messageOf(nothing, events);
  }

  #read(event: StreamedEvent): void {
    if (this.#native) this.#readNative(event);
    else this.#readTypes(event);
  }

  #readNative(event: StreamedEvent): void {
    const { raw } = event;
    if (this.#countRepeated(raw)) return;
    if (isComment(event)) return this.#forward(raw);
    const before = this.#reader.output.bytes;
    if (!this.#reader.read(event).forward) return;
    this.#forward(raw);
    this.#begun = true;
    const addedBytes = this.#reader.output.bytes - before;
    // Behind the end nothing counts any more.
    this.#lastRead = addedBytes > 0 && !this.complete ? RepeatedEvent.of(raw, addedBytes, this.#reader) : undefined;
  }

  /** Takes an event that needs no reading; false when it does, or when these bytes are not exactly one event. */
  #countRepeated(raw: Buffer): boolean {
    if (this.#lastRead?.addText(raw, this.#reader.output) !== true) return false;
    this.#forward(raw);
    return true;
  }

  #readTypes(event: StreamedEvent): void {
    if (isComment(event)) return;
    const events = this.#reader.read(event).toEvents();
    if (events.length === 0) return;
    this.#pass(events);
    this.waitingBytes += event.raw.length;
    this.#begun = true;
  }

  #pass(events: readonly StreamGenerateResponse[]): void {
    for (const one of events) {
      if (one.event.case === "start") {
        one.event.value.model ||= this.#model;
        one.event.value.warnings.push(...this.#warnings);
      }
      if (this.#givenNames.size > 0) giveBackNameOf(one, this.#givenNames);
      this.#events.push(one);
    }
  }

  /** Adjoining events go on as one view of the bytes that came, without a copy. */
  #forward(raw: Uint8Array): void {
    this.waitingBytes += raw.length;
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.buffer === raw.buffer && last.byteOffset + last.length === raw.byteOffset) {
      this.#pieces[this.#pieces.length - 1] = Buffer.from(raw.buffer, last.byteOffset, last.length + raw.length);
    } else {
      this.#pieces.push(raw);
    }
  }
}

const nothing = new Uint8Array(0);
const asTheyAre: GivenToolNames = new Map();

/** Written out, as there is one for every chunk: `create` takes several times as long for the same object. */
function messageOf(native: Uint8Array, events: StreamGenerateResponse[]): AttemptResponse {
  return { $typeName: "weir.providers.v1.AttemptResponse", native, events };
}

function isComment(event: StreamedEvent): boolean {
  return event.data === "" && event.type === "";
}
