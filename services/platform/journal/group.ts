/** Owns the records that one write and one sync make durable together. */
import { recordBytes, writeRecord, type RecordType } from "./record.ts";

const initialBytes = 64 * 1024;

export class Group {
  readonly segment: number;
  /** Where in the segment it begins. */
  readonly offset: number;
  /** Settles when the group is durable, or never will be. */
  readonly durable: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
  #buffer: Buffer;
  #lengthBytes = 0;

  /** Writes into `buffer` (that of a group that is durable) or a new one. */
  constructor(segment: number, offset: number, buffer: Buffer | undefined) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.segment = segment;
    this.offset = offset;
    this.durable = promise;
    this.resolve = resolve;
    this.reject = reject;
    this.#buffer = buffer ?? Buffer.allocUnsafeSlow(initialBytes);
    // Whoever does not wait for durability hears of a failure through the journal's `onBroken`.
    promise.catch(() => {});
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#lengthBytes);
  }

  /** The whole memory behind the group, for the next one. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Where in the segment the next record will stand. */
  get endOffset(): number {
    return this.offset + this.#lengthBytes;
  }

  append(type: RecordType, id: string, idBytes: number, payload: Uint8Array): void {
    const end = this.#lengthBytes + recordBytes(idBytes, payload.length);
    if (end > this.#buffer.length) this.#grow(end);
    writeRecord(this.#buffer, this.#lengthBytes, this.segment, this.endOffset, this.offset, type, id, idBytes, payload);
    this.#lengthBytes = end;
  }

  #grow(neededBytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(neededBytes, this.#buffer.length * 2));
    this.bytes.copy(larger);
    this.#buffer = larger;
  }
}
