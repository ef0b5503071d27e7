/** Owns the journal: what must survive this process, from before it is acted upon until someone else has it for good. */
import { join } from "node:path";
import type { DirectoryLock } from "../directory-lock.ts";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { Group } from "./group.ts";
import { journalIdBytes, readJournalId, removeJournalId, writeJournalId } from "./journal-id.ts";
import {
  encodeConfirmedIds,
  encodeSegmentHeader,
  maximumBeginBytes,
  maximumCheckpointBytes,
  maximumIdBytes,
  maximumSettlementBytes,
  readRecord,
  recordBytes,
  recordType,
  segmentHeaderBytes,
  type RecordType,
} from "./record.ts";
import { recover, segmentFileName, type RecordPlace, type RecoveredEntry, type Recovery } from "./recovery.ts";

/** Keeps a second process out of the directory (see ../directory-lock.ts); throws when one is in it. */
export type LockDirectory = (directory: string) => DirectoryLock;

export interface JournalOptions {
  readonly directory: string;
  /** The most bytes on disk; records of just under half of it can be open, see README.md. At least 1 MiB. */
  readonly maximumBytes: number;
  readonly disk: Disk;
  readonly lock: LockDirectory;
  /** Makes the id of a journal that has none yet. */
  readonly newId: () => string;
  readonly logger: Logger;
  /** Called once when the disk fails: nothing can be begun or settled any more, and the process should be replaced. */
  readonly onBroken: (error: GatewayError) => void;
}

/** What an earlier process left unconfirmed; all of it is in the journal still, to be settled or confirmed. */
export interface RecoveredRecords {
  /** Begun and not settled. */
  readonly begun: readonly BegunRecord[];
  readonly settled: readonly SettledRecord[];
}

export interface BegunRecord {
  readonly id: string;
  readonly payload: Uint8Array;
  /** The last one that reached the disk. */
  readonly checkpoint: Uint8Array | undefined;
}

export interface SettledRecord {
  readonly id: string;
  readonly beginPayload: Uint8Array;
  readonly settlePayload: Uint8Array;
}

export const minimumJournalBytes = 1024 * 1024;

const largestSegmentBytes = 8 * 1024 * 1024;
const segmentsPerJournal = 16;
/** How long a settlement or checkpoint may wait for company. Nobody waits for it: should it be lost, its entry comes back as begun. */
const settleWithinMs = 5;
/** Copies go in steps of about this size, so that a begin never waits behind a whole segment. */
const compactionStepBytes = 256 * 1024;

interface Entry {
  readonly id: string;
  readonly idBytes: number;
  /** The segment in which its begin stands. */
  home: Segment;
  begin: RecordPlace;
  settle: RecordPlace | undefined;
  /** The last one, until it is settled. */
  checkpoint: RecordPlace | undefined;
}

/** An entry, and where it stood at some moment. */
interface EntryPlaces {
  readonly entry: Entry;
  readonly begin: RecordPlace;
  readonly settle: RecordPlace | undefined;
  readonly checkpoint: RecordPlace | undefined;
}

interface EntryImage extends EntryPlaces {
  readonly beginPayload: Uint8Array;
  readonly settlePayload: Uint8Array | undefined;
  readonly checkpointPayload: Uint8Array | undefined;
}

interface Segment {
  readonly number: number;
  /** Found damaged: it is kept aside when nothing in it is needed. */
  readonly isCorrupt: boolean;
  /** Entries whose begin stands here. A settlement never stands in an earlier segment than its begin. */
  liveEntries: number;
}

export class Journal {
  readonly #directory: string;
  readonly #maximumBytes: number;
  readonly #segmentBytes: number;
  readonly #disk: Disk;
  readonly #logger: Logger;
  readonly #onBroken: (error: GatewayError) => void;
  readonly #lock: DirectoryLock;
  #id: string;

  /** Everything unconfirmed, in the order in which the begins stand on disk. */
  readonly #entries = new Map<string, Entry>();
  /** All segments, oldest first; the last is the one that records go to. They leave in this order only. */
  readonly #segments: Segment[] = [];
  /** Bytes of unconfirmed records, each with room to confirm it. */
  #liveBytes = 0;
  /** Room for the settlements of what is begun. */
  #reservedBytes = 0;

  /** Groups that are not durable yet; the last takes records, the first may be on its way to the disk. */
  readonly #groups: Group[] = [];
  #inFlight: Group | undefined;
  #headOffset = segmentHeaderBytes;
  #flushing: Promise<void> | undefined;
  /** Somebody waits for what is queued, not only for what is in flight. */
  #isUrgent = false;
  #later: NodeJS.Timeout | undefined;
  #spareBuffer: Buffer | undefined;
  #file: DiskFile;
  #fileSegment: number;
  /** The file of the segment after the last, made ready ahead of need. */
  #spareFile: Promise<DiskFile> | undefined;
  #compacting: Promise<void> | undefined;
  /** Reads under way; no segment is removed meanwhile. */
  #readers = 0;
  #closing = false;
  #failure: GatewayError | undefined;

  /**
   * Opens the journal of a directory, and says what was left in it.
   * Throws what `lock` throws when another process has it, and INVALID_REQUEST for a bound below 1 MiB.
   */
  static async open(options: JournalOptions): Promise<{ readonly journal: Journal; readonly recovered: RecoveredRecords }> {
    if (options.maximumBytes < minimumJournalBytes) {
      throw new GatewayError("INVALID_REQUEST", `The journal's bound is ${options.maximumBytes} bytes; give it at least ${minimumJournalBytes}.`);
    }
    const { directory, disk, logger } = options;
    await disk.makeDirectory(directory);
    const lock = options.lock(directory);
    try {
      const recovery = await recover(disk, directory, logger);
      const id = await ensureId(options);
      const segmentBytes = Math.min(largestSegmentBytes, Math.floor((options.maximumBytes - journalIdBytes) / segmentsPerJournal));
      const file = await createSegment(disk, directory, recovery.nextSegment, segmentBytes);
      const journal = new Journal(options, id, segmentBytes, recovery, file, lock);
      const lastCorrupt = recovery.corruptSegments.at(-1);
      // What was begun before goes with it: the records that confirm it may be among the damaged ones.
      if (lastCorrupt !== undefined) await journal.#moveEntries(lastCorrupt);
      await journal.#removeSegments(journal.#deadSegments());
      return { journal, recovered: collectRecords(recovery) };
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(options: JournalOptions, id: string, segmentBytes: number, recovery: Recovery, file: DiskFile, lock: DirectoryLock) {
    this.#directory = options.directory;
    this.#maximumBytes = options.maximumBytes;
    this.#segmentBytes = segmentBytes;
    this.#disk = options.disk;
    this.#logger = options.logger;
    this.#onBroken = options.onBroken;
    this.#lock = lock;
    this.#id = id;
    this.#segments = [...recovery.segments, recovery.nextSegment].map((number) => ({ number, isCorrupt: recovery.corruptSegments.includes(number), liveEntries: 0 }));
    for (const [id, recovered] of recovery.entries) this.#addRecovered(id, recovered);
    this.#file = file;
    this.#fileSegment = recovery.nextSegment;
  }

  /** Stays the same over restarts, until the journal is closed with nothing unconfirmed, or given another one. */
  get id(): string {
    return this.#id;
  }

  /** Goes on under another id; resolves when that is durable. Rejects when the disk fails, and keeps the former one. */
  async changeId(id: string): Promise<void> {
    await writeJournalId(this.#disk, this.#directory, id);
    this.#id = id;
  }

  /** The ids of what is unconfirmed. */
  unconfirmedIds(): Iterable<string> {
    return this.#entries.keys();
  }

  /** True for what is begun and not confirmed, settled or not. */
  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** Why nothing can be begun or settled any more; undefined while the disk obeys. */
  get failure(): GatewayError | undefined {
    return this.#failure;
  }

  /** What the journal holds, for metrics. */
  get usage(): { readonly entries: number; readonly liveBytes: number; readonly reservedBytes: number; readonly diskBytes: number } {
    const files = this.#segments.length + (this.#spareFile === undefined ? 0 : 1);
    return { entries: this.#entries.size, liveBytes: this.#liveBytes, reservedBytes: this.#reservedBytes, diskBytes: files * this.#segmentBytes };
  }

  /**
   * Begins an entry; it is durable, and has room for its settlement, when this resolves.
   * Rejects, with nothing written, by JOURNAL_FULL, SHUTTING_DOWN, DEPENDENCY_UNAVAILABLE (the disk failed),
   * or ALREADY_EXISTS (the id is in the journal).
   */
  begin(id: string, payload: Uint8Array): Promise<void> {
    const idBytes = Buffer.byteLength(id, "utf8");
    const refusal = this.#failure ?? this.#refuseBegin(id, idBytes, payload);
    if (refusal !== undefined) return Promise.reject(refusal);
    const begin = this.#append(recordType.begin, id, idBytes, payload);
    const entry: Entry = { id, idBytes, home: this.#head, begin, settle: undefined, checkpoint: undefined };
    this.#entries.set(id, entry);
    entry.home.liveEntries++;
    this.#liveBytes += entry.begin.lengthBytes + confirmBytes(idBytes);
    this.#reservedBytes += recordBytes(idBytes, maximumSettlementBytes);
    return this.#flush();
  }

  /**
   * Notes how far an open entry is, in place of what was noted before; it is on the disk a little later, or lost with a crash, in
   * which case what was noted before stands. False, with nothing written, where there is no room for it, or the entry is not open.
   */
  checkpoint(id: string, payload: Uint8Array): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.settle !== undefined || this.#failure !== undefined || this.#closing) return false;
    if (payload.length > maximumCheckpointBytes || !this.#hasRoom(recordBytes(entry.idBytes, payload.length))) return false;
    this.#liveBytes -= entry.checkpoint?.lengthBytes ?? 0;
    entry.checkpoint = this.#append(recordType.checkpoint, id, entry.idBytes, payload);
    this.#liveBytes += entry.checkpoint.lengthBytes;
    // A failure is told through `onBroken`.
    this.#flushSoon().catch(() => {});
    return true;
  }

  /**
   * Settles an entry; durable when this resolves. Never refused for want of room.
   * Rejects by DEPENDENCY_UNAVAILABLE (the disk failed), or INTERNAL for an id that is not open or a payload over 8 KiB.
   */
  settle(id: string, payload: Uint8Array): Promise<void> {
    const entry = this.#entries.get(id);
    const refusal = this.#failure ?? refuseSettle(id, entry, payload);
    if (refusal !== undefined || entry === undefined) return Promise.reject(refusal!);
    entry.settle = this.#append(recordType.settle, id, entry.idBytes, payload);
    this.#liveBytes += entry.settle.lengthBytes - (entry.checkpoint?.lengthBytes ?? 0);
    entry.checkpoint = undefined;
    this.#reservedBytes -= recordBytes(entry.idBytes, maximumSettlementBytes);
    return this.#flushSoon();
  }

  /**
   * Lets entries go, settled or not; ids that are not here are ignored. Written with the next group, without a sync of
   * its own: after a crash some of them may come back as recovered.
   */
  confirm(ids: readonly string[]): void {
    const known: string[] = [];
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry === undefined) continue;
      this.#release(entry);
      known.push(id);
    }
    if (this.#failure !== undefined) return;
    for (const payload of encodeConfirmedIds(known)) this.#append(recordType.confirm, "", 0, payload);
    this.#tidy();
  }

  /** The settled ones of these entries, read from the disk. Rejects by DEPENDENCY_UNAVAILABLE when the disk fails. */
  async read(ids: readonly string[]): Promise<SettledRecord[]> {
    const records: SettledRecord[] = [];
    let unread = ids.map((id) => this.#entries.get(id));
    while (unread.length > 0) {
      const settled = unread.filter((entry) => entry?.settle !== undefined && this.#entries.get(entry.id) === entry) as Entry[];
      const images = await this.#readEntries(settled);
      for (const { entry, beginPayload, settlePayload } of images) records.push({ id: entry.id, beginPayload, settlePayload: settlePayload! });
      const read = new Set(images.map(({ entry }) => entry));
      // Compaction has moved the others meanwhile.
      unread = settled.filter((entry) => !read.has(entry));
    }
    return records;
  }

  /** Makes everything durable, lets go of the directory, and leaves no file behind when nothing is unconfirmed. */
  async close(): Promise<void> {
    this.#closing = true;
    clearTimeout(this.#later);
    await this.#compacting;
    if (this.#failure === undefined) await this.#flush().catch(() => {});
    await this.#flushing;
    await this.#file.close();
    const spare = await this.#spareFile?.catch(() => undefined);
    await spare?.close();
    if (this.#failure === undefined) {
      if (spare !== undefined) await this.#disk.remove(join(this.#directory, segmentFileName(this.#head.number + 1)));
      await this.#removeSegments(this.#entries.size === 0 ? this.#segments.splice(0) : this.#deadSegments());
      if (this.#entries.size === 0) await removeJournalId(this.#disk, this.#directory);
    }
    this.#lock.release();
  }

  get #head(): Segment {
    return this.#segments.at(-1)!;
  }

  #refuseBegin(id: string, idBytes: number, payload: Uint8Array): GatewayError | undefined {
    if (this.#closing) return new GatewayError("SHUTTING_DOWN", "Weir is shutting down; send the call again, to another instance.");
    if (idBytes === 0 || idBytes > maximumIdBytes || payload.length > maximumBeginBytes) {
      return new GatewayError("INTERNAL", `A journal entry of ${idBytes} bytes of id and ${payload.length} of payload was begun; the bounds are ${maximumIdBytes} and ${maximumBeginBytes}.`);
    }
    if (this.#entries.has(id)) {
      return new GatewayError("ALREADY_EXISTS", `The journal has an entry ${id} already.`, { metadata: { kind: "journal entry", name: id } });
    }
    const neededBytes = recordBytes(idBytes, payload.length) + confirmBytes(idBytes) + recordBytes(idBytes, maximumSettlementBytes);
    if (this.#hasRoom(neededBytes)) return undefined;
    return new GatewayError("JOURNAL_FULL", "The journal is full, because nobody confirms what it holds; nothing was begun. Try again later.", {
      metadata: { limit_bytes: String(this.#maximumBytes) },
    });
  }

  /**
   * Half of the bound is for live records and reservations; the other half is for confirmed records whose segment is still
   * needed. Of the latter, three segments are for the one made ready ahead and for what compaction copies before it
   * can delete, and a quarter of each is for the ends of segments that the next record did not fit into.
   */
  #hasRoom(neededBytes: number): boolean {
    const promisedBytes = this.#reservedBytes + neededBytes;
    if (this.#liveBytes + promisedBytes > this.#maximumBytes / 2) return false;
    return (this.#segments.length + 3) * this.#segmentBytes + (promisedBytes * 4) / 3 <= this.#maximumBytes;
  }

  /** Queues a record behind all others and says where it will stand. */
  #append(type: RecordType, id: string, idBytes: number, payload: Uint8Array): RecordPlace {
    const lengthBytes = recordBytes(idBytes, payload.length);
    let group = this.#groups.at(-1);
    if (this.#headOffset + lengthBytes > this.#segmentBytes) {
      this.#segments.push({ number: this.#head.number + 1, isCorrupt: false, liveEntries: 0 });
      this.#headOffset = segmentHeaderBytes;
      group = undefined;
    }
    if (group === undefined || group === this.#inFlight) {
      group = new Group(this.#head.number, this.#headOffset, this.#spareBuffer);
      this.#spareBuffer = undefined;
      this.#groups.push(group);
    }
    const place = { segment: group.segment, offset: group.endOffset, lengthBytes };
    group.append(type, id, idBytes, payload);
    this.#headOffset += lengthBytes;
    return place;
  }

  /** Sees to it that everything queued becomes durable; resolves when it is. */
  #flush(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const last = this.#groups.at(-1);
    if (last === undefined) return Promise.resolve();
    this.#isUrgent = true;
    this.#flushing ??= this.#flushGroups();
    return last.durable;
  }

  /** The same for what nobody waits for: it goes with the next group that somebody waits for, or after a while. */
  #flushSoon(): Promise<void> {
    const last = this.#groups.at(-1)!;
    if (this.#flushing === undefined) this.#flushLater();
    return last.durable;
  }

  #flushLater(): void {
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.#flush().catch(() => {});
    }, settleWithinMs);
  }

  /** Writes group after group, each when the one before is durable, until nothing is queued. */
  async #flushGroups(): Promise<void> {
    try {
      for (;;) {
        // Whoever comes in this turn of the event loop, or was woken by the last sync, still gets into this group: a sync costs more than the records in it.
        await new Promise(setImmediate);
        const group = this.#groups[0];
        if (group !== undefined && !this.#isUrgent) {
          this.#flushLater();
          break;
        }
        // With another group behind it, what made a segment dead may not be in this group.
        const dead = this.#groups.length > 1 ? [] : this.#deadSegments();
        if (group === undefined) {
          await this.#removeSegments(dead);
          if (this.#groups.length === 0) break;
          continue;
        }
        this.#isUrgent = this.#groups.length > 1;
        this.#inFlight = group;
        if (group.segment !== this.#fileSegment) await this.#switchFile();
        this.#file.write(group.bytes, group.offset);
        await this.#file.sync();
        this.#groups.shift();
        this.#inFlight = undefined;
        this.#spareBuffer ??= group.buffer;
        group.resolve();
        await this.#removeSegments(dead);
        this.#prepareSpare();
        this.#compact();
      }
    } catch (error) {
      this.#break(error);
    } finally {
      this.#flushing = undefined;
    }
  }

  /** Removes a dead oldest segment also when nothing else is to be written. */
  #tidy(): void {
    if (this.#failure === undefined && this.#segments.length > 1 && this.#segments[0]!.liveEntries === 0) {
      this.#isUrgent = true;
      this.#flushing ??= this.#flushGroups();
    }
  }

  async #switchFile(): Promise<void> {
    const next = this.#fileSegment + 1;
    const file = await (this.#spareFile ?? createSegment(this.#disk, this.#directory, next, this.#segmentBytes));
    this.#spareFile = undefined;
    await this.#file.close();
    this.#file = file;
    this.#fileSegment = next;
  }

  /** Making a file ready takes many times as long as a sync: it is begun when the segment is half full. */
  #prepareSpare(): void {
    if (this.#spareFile !== undefined || this.#closing || this.#fileSegment !== this.#head.number) return;
    if (this.#headOffset < this.#segmentBytes / 2) return;
    this.#spareFile = createSegment(this.#disk, this.#directory, this.#fileSegment + 1, this.#segmentBytes);
    // A failure is met where the file is needed.
    this.#spareFile.catch(() => {});
  }

  /** Takes the segments at the old end in which nothing is needed off the list. */
  #deadSegments(): Segment[] {
    if (this.#readers > 0) return [];
    let count = 0;
    while (count < this.#segments.length - 1 && this.#segments[count]!.liveEntries === 0 && this.#segments[count]!.number < this.#fileSegment) count++;
    return this.#segments.splice(0, count);
  }

  // Oldest first, also on disk: a begin must not outlive the record that confirmed it.
  async #removeSegments(segments: readonly Segment[]): Promise<void> {
    for (const { number, isCorrupt } of segments) {
      const path = join(this.#directory, segmentFileName(number));
      await (isCorrupt ? this.#disk.rename(path, `${path}.corrupt`) : this.#disk.remove(path));
      await this.#disk.syncDirectory(this.#directory);
    }
  }

  /** Moves what is live in the oldest segments to the end, while dead records take more room than their share. */
  #compact(): void {
    if (this.#compacting !== undefined || this.#segmentToCompact() === undefined) return;
    this.#compacting = this.#compactSegments()
      .catch((error: unknown) => this.#break(error))
      .finally(() => (this.#compacting = undefined));
  }

  async #compactSegments(): Promise<void> {
    for (let segment = this.#segmentToCompact(); segment !== undefined; segment = this.#segmentToCompact()) {
      await this.#moveEntries(segment.number);
    }
  }

  #segmentToCompact(): Segment | undefined {
    if (this.#closing || this.#failure !== undefined || this.#segments.length === 1) return undefined;
    // Dead segments before it go by themselves.
    const oldest = this.#segments.findIndex(({ liveEntries }) => liveEntries > 0);
    if (oldest < 0 || oldest === this.#segments.length - 1) return undefined;
    const usedBytes = (this.#segments.length - 1 - oldest) * this.#segmentBytes + this.#headOffset;
    return usedBytes - this.#liveBytes > 2 * this.#segmentBytes + this.#liveBytes / 2 ? this.#segments[oldest] : undefined;
  }

  /** Copies all live entries that were begun in this or an earlier segment to the end; resolves when the copies are durable. */
  async #moveEntries(throughSegment: number): Promise<void> {
    for (;;) {
      const entries = this.#firstEntries(throughSegment);
      if (entries.length === 0) return;
      for (const image of await this.#readEntries(entries)) {
        // What was settled meanwhile comes up again in the next round.
        if (this.#isCurrent(image)) this.#move(image);
      }
      await this.#flush();
    }
  }

  #firstEntries(throughSegment: number): Entry[] {
    const entries: Entry[] = [];
    let lengthBytes = 0;
    for (const entry of this.#entries.values()) {
      if (entry.home.number > throughSegment || lengthBytes > compactionStepBytes) break;
      entries.push(entry);
      lengthBytes += liveBytesOf(entry);
    }
    return entries;
  }

  #move({ entry, beginPayload, settlePayload, checkpointPayload }: EntryImage): void {
    entry.home.liveEntries--;
    entry.begin = this.#append(recordType.begin, entry.id, entry.idBytes, beginPayload);
    entry.home = this.#head;
    entry.home.liveEntries++;
    if (settlePayload !== undefined) entry.settle = this.#append(recordType.settle, entry.id, entry.idBytes, settlePayload);
    if (checkpointPayload !== undefined) entry.checkpoint = this.#append(recordType.checkpoint, entry.id, entry.idBytes, checkpointPayload);
    this.#entries.delete(entry.id);
    this.#entries.set(entry.id, entry);
  }

  /** The entries as they stand on the disk, without those that change before all of it is there. */
  async #readEntries(entries: readonly Entry[]): Promise<EntryImage[]> {
    const places = entries.map((entry): EntryPlaces => ({ entry, begin: entry.begin, settle: entry.settle, checkpoint: entry.checkpoint }));
    await this.#flush();
    const current = places.filter((place) => this.#isCurrent(place));
    const wanted = current.flatMap(({ begin, settle, checkpoint }) => [begin, settle, checkpoint]).filter((place) => place !== undefined);
    const payloads = (await this.#readPayloads(wanted)).values();
    return current.map((place) => ({
      ...place,
      beginPayload: payloads.next().value!,
      settlePayload: place.settle === undefined ? undefined : payloads.next().value!,
      checkpointPayload: place.checkpoint === undefined ? undefined : payloads.next().value!,
    }));
  }

  #isCurrent({ entry, begin, settle, checkpoint }: EntryPlaces): boolean {
    return this.#entries.get(entry.id) === entry && entry.begin === begin && entry.settle === settle && entry.checkpoint === checkpoint;
  }

  /** The payloads of records that are on the disk. Throws when one is damaged: the journal cannot be trusted any further. */
  async #readPayloads(places: readonly RecordPlace[]): Promise<Uint8Array[]> {
    const ranges = new Map<number, { start: number; end: number }>();
    for (const { segment, offset, lengthBytes } of places) {
      const range = ranges.get(segment) ?? { start: offset, end: 0 };
      ranges.set(segment, { start: Math.min(range.start, offset), end: Math.max(range.end, offset + lengthBytes) });
    }
    const images = new Map<number, Buffer>();
    this.#readers++;
    try {
      for (const [segment, { start, end }] of ranges) {
        images.set(segment, await this.#disk.read(join(this.#directory, segmentFileName(segment)), start, end));
      }
    } finally {
      this.#readers--;
      this.#tidy();
    }
    return places.map(({ segment, offset }) => {
      const record = readRecord(images.get(segment)!, offset - ranges.get(segment)!.start, segment, offset);
      if (record === undefined) {
        throw new Error(`${join(this.#directory, segmentFileName(segment))} is corrupt at offset ${offset}`);
      }
      return record.payload;
    });
  }

  #addRecovered(id: string, { begin, settle, checkpoint }: RecoveredEntry): void {
    const home = this.#segments.find(({ number }) => number === begin.segment)!;
    const entry: Entry = { id, idBytes: Buffer.byteLength(id, "utf8"), home, begin, settle, checkpoint };
    this.#entries.set(id, entry);
    home.liveEntries++;
    this.#liveBytes += liveBytesOf(entry) + confirmBytes(entry.idBytes);
    if (settle === undefined) this.#reservedBytes += recordBytes(entry.idBytes, maximumSettlementBytes);
  }

  #release(entry: Entry): void {
    this.#entries.delete(entry.id);
    entry.home.liveEntries--;
    this.#liveBytes -= liveBytesOf(entry) + confirmBytes(entry.idBytes);
    if (entry.settle === undefined) this.#reservedBytes -= recordBytes(entry.idBytes, maximumSettlementBytes);
  }

  /** After a failed write or sync nobody knows what the disk has; trying again would only hide it. */
  #break(cause: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = new GatewayError("DEPENDENCY_UNAVAILABLE", "Weir's journal cannot write to its disk, so no call can be made; the disk needs attention and Weir a restart.", {
      metadata: { dependency: "journal" },
      cause,
    });
    this.#logger.error({ directory: this.#directory, error: this.#failure }, "the journal is broken; nothing more is begun or settled");
    for (const group of this.#groups.splice(0)) group.reject(this.#failure);
    this.#onBroken(this.#failure);
  }
}

async function ensureId({ disk, directory, newId }: JournalOptions): Promise<string> {
  const known = await readJournalId(disk, directory);
  if (known !== undefined) return known;
  const id = newId();
  await writeJournalId(disk, directory, id);
  return id;
}

async function createSegment(disk: Disk, directory: string, segment: number, sizeBytes: number): Promise<DiskFile> {
  const file = await disk.create(join(directory, segmentFileName(segment)), sizeBytes);
  file.write(encodeSegmentHeader(segment), 0);
  await file.sync();
  return file;
}

function refuseSettle(id: string, entry: Entry | undefined, payload: Uint8Array): GatewayError | undefined {
  if (entry === undefined || entry.settle !== undefined) {
    return new GatewayError("INTERNAL", `The journal entry ${id} was ${entry === undefined ? "not begun, or is confirmed" : "settled before"}.`);
  }
  if (payload.length <= maximumSettlementBytes) return undefined;
  return new GatewayError("INTERNAL", `The settlement of journal entry ${id} has ${payload.length} bytes; the bound is ${maximumSettlementBytes}.`);
}

/** What it takes to confirm an entry, in a record of its own. */
function confirmBytes(idBytes: number): number {
  return recordBytes(0, 1 + idBytes);
}

function liveBytesOf({ begin, settle, checkpoint }: Entry): number {
  return begin.lengthBytes + (settle?.lengthBytes ?? 0) + (checkpoint?.lengthBytes ?? 0);
}

function collectRecords({ entries }: Recovery): RecoveredRecords {
  const begun: BegunRecord[] = [];
  const settled: SettledRecord[] = [];
  for (const [id, { beginPayload, settlePayload, checkpointPayload }] of entries as ReadonlyMap<string, RecoveredEntry>) {
    if (settlePayload === undefined) begun.push({ id, payload: beginPayload, checkpoint: checkpointPayload });
    else settled.push({ id, beginPayload, settlePayload });
  }
  return { begun, settled };
}
