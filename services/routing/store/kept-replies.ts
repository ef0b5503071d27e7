/** Owns the replies that this process keeps, within bounded memory: what was asked for least lately goes first. What is not here may be among those that are shared. */
import { LRUCache } from "lru-cache";
import type { Clock } from "#platform/clock.ts";
import { Counter, Gauge, type Registry } from "#platform/metrics.ts";
import type { IncomingReply, KeptReply, MeaningPlace, ReplyStore, SimilarReply } from "../domain/cache/call-cache.ts";
import type { Meaning } from "../domain/cache/meaning.ts";
import type { SharedReplies } from "./shared-replies.ts";
import { SimilarityIndex } from "./similarity-index.ts";

export interface KeptRepliesBounds {
  readonly maximumBytes: number;
  readonly maximumEntryBytes: number;
}

type SharedLevel = Pick<SharedReplies, "find" | "put">;

interface Entry {
  readonly bytes: Uint8Array;
  /** By the monotonic clock. */
  readonly sinceMs: number;
  /** In which it is found by meaning, once that is known. */
  readonly frame?: string;
  /** Of the vector that the index has of it. */
  readonly vectorBytes: number;
}

/** What an entry takes beside its bytes, about: its key, its place among the others, the objects themselves. */
const overheadBytes = 512;

/** The part of the memory in which replies wait for their end. */
const incomingShare = 1 / 4;

export class KeptReplies implements ReplyStore {
  readonly #clock: Clock;
  readonly #shared: SharedLevel | undefined;
  readonly #unkept: Counter<"reason">;
  #bounds: KeptRepliesBounds | undefined;
  #entries: LRUCache<string, Entry> | undefined;
  #index = new SimilarityIndex();
  #incomingBytes = 0;
  /** What was kept before is not taken from what is shared either. */
  #forgottenMs = -Infinity;

  constructor(bounds: KeptRepliesBounds | undefined, clock: Clock, metrics: Registry, shared?: SharedLevel) {
    this.#clock = clock;
    this.#shared = shared;
    this.configure(bounds);
    const gauge = (name: string, help: string, value: () => number): Gauge => new Gauge({ name, help, registers: [metrics], collect: function () { this.set(value()); } });
    gauge("weir_cache_bytes", "Bytes of replies in the cache.", () => this.#entries?.calculatedSize ?? 0);
    gauge("weir_cache_replies", "Replies in the cache.", () => this.#entries?.size ?? 0);
    gauge("weir_cache_similar_replies", "Replies in the cache that are found by meaning, too.", () => this.#index.size);
    this.#unkept = new Counter({ name: "weir_cache_unkept_total", help: "Replies that were not kept: too large for an entry (`size`), or too many on their way in at once (`room`).", labelNames: ["reason"], registers: [metrics] });
  }

  /** Bounds that hold from now on; other ones begin with nothing. Undefined: nothing is kept, and all is forgotten. */
  configure(bounds: KeptRepliesBounds | undefined): void {
    if (bounds?.maximumBytes === this.#bounds?.maximumBytes && bounds?.maximumEntryBytes === this.#bounds?.maximumEntryBytes) return;
    if (bounds === undefined) this.#forgottenMs = this.#clock.monotonicMs();
    this.#bounds = bounds;
    const index = new SimilarityIndex();
    this.#index = index;
    this.#entries =
      bounds &&
      new LRUCache({
        maxSize: Math.floor(bounds.maximumBytes * (1 - incomingShare)),
        sizeCalculation: ({ bytes, vectorBytes }) => bytes.length + vectorBytes + overheadBytes,
        dispose: ({ frame }, key) => (frame === undefined ? undefined : index.remove(frame, key)),
      });
  }

  async find(key: string, maximumAgeMs: number): Promise<KeptReply | undefined> {
    return this.#findHere(key, maximumAgeMs) ?? this.#findShared(key, maximumAgeMs);
  }

  holdsSimilar(frame: string, maximumAgeMs: number): boolean {
    return this.#index.holds(frame, this.#clock.monotonicMs() - maximumAgeMs);
  }

  findSimilar(frame: string, meaning: Meaning, minimum: number, maximumAgeMs: number): SimilarReply | undefined {
    const nearest = this.#index.nearest(frame, meaning, minimum, this.#clock.monotonicMs() - maximumAgeMs);
    const found = nearest && this.#findHere(nearest.key, maximumAgeMs);
    return found && { ...found, similarity: nearest.similarity };
  }

  receive(key: string, place: MeaningPlace | undefined): IncomingReply {
    // At once, so that it is there soon after the reply.
    const meaning = place?.meaning();
    const pieces: Uint8Array[] = [];
    let heldBytes = 0;
    let isRefused = false;
    const drop = (): void => {
      this.#incomingBytes -= heldBytes;
      heldBytes = 0;
      pieces.length = 0;
    };
    return {
      add: (bytes) => {
        const reason = this.#refusal(heldBytes + bytes.length, bytes.length);
        if (reason === undefined) {
          pieces.push(bytes);
          heldBytes += bytes.length;
          this.#incomingBytes += bytes.length;
          return true;
        }
        isRefused = true;
        this.#unkept.inc({ reason });
        drop();
        return false;
      },
      keep: () => {
        if (isRefused || this.#entries === undefined) return;
        const entry: Entry = { bytes: Buffer.concat(pieces), sinceMs: this.#clock.monotonicMs(), vectorBytes: 0 };
        this.#entries.set(key, entry);
        this.#shared?.put(key, entry.bytes);
        void meaning?.then((known) => known && this.#addMeaning(key, entry, place!.frame, known));
      },
      drop,
    };
  }

  #findHere(key: string, maximumAgeMs: number): KeptReply | undefined {
    const entry = this.#entries?.get(key);
    if (entry === undefined) return undefined;
    const ageMs = this.#clock.monotonicMs() - entry.sinceMs;
    return ageMs < maximumAgeMs ? { bytes: entry.bytes, ageMs } : undefined;
  }

  /** What is found is here from now on, with its age. */
  async #findShared(key: string, maximumAgeMs: number): Promise<KeptReply | undefined> {
    const unforgottenMs = this.#clock.monotonicMs() - this.#forgottenMs;
    const found = await this.#shared?.find(key, Math.min(maximumAgeMs, unforgottenMs), (this.#bounds ?? noBounds).maximumEntryBytes);
    if (found === undefined) return undefined;
    const sinceMs = this.#clock.monotonicMs() - found.ageMs;
    const meanwhile = this.#entries?.peek(key);
    if (meanwhile === undefined || meanwhile.sinceMs < sinceMs) this.#entries?.set(key, { bytes: found.bytes, sinceMs, vectorBytes: 0 });
    return found;
  }

  #addMeaning(key: string, entry: Entry, frame: string, meaning: Meaning): void {
    // Meanwhile it may have gone, or another one come in its place.
    if (this.#entries?.peek(key) !== entry) return;
    this.#entries.set(key, { ...entry, frame, vectorBytes: meaning.vector.byteLength });
    if (this.#entries.has(key)) this.#index.add(frame, key, meaning, entry.sinceMs);
  }

  #refusal(entryBytes: number, addedBytes: number): "size" | "room" | undefined {
    const { maximumBytes, maximumEntryBytes } = this.#bounds ?? noBounds;
    if (entryBytes > maximumEntryBytes) return "size";
    return this.#incomingBytes + addedBytes > maximumBytes * incomingShare ? "room" : undefined;
  }
}

const noBounds: KeptRepliesBounds = { maximumBytes: 0, maximumEntryBytes: 0 };
