/** Owns reading a journal back after its process has ended, however it ended: what is still open, and what was damaged. */
import { join } from "node:path";
import type { Logger } from "../logger.ts";
import type { Disk } from "./disk.ts";
import { decodeConfirmedIds, encodeSegmentHeader, readRecord, recordType, segmentHeaderBytes, type JournalRecord } from "./record.ts";

/** Where a record stands. */
export interface RecordPlace {
  readonly segment: number;
  readonly offset: number;
  readonly lengthBytes: number;
}

export interface RecoveredEntry {
  readonly begin: RecordPlace;
  readonly beginPayload: Uint8Array;
  settle: RecordPlace | undefined;
  settlePayload: Uint8Array | undefined;
  /** The last one before the settlement. */
  checkpoint: RecordPlace | undefined;
  checkpointPayload: Uint8Array | undefined;
}

/** What is in a journal's directory. */
export interface JournalContent {
  /** What the ledger has not confirmed, in the order in which it was begun. */
  readonly entries: ReadonlyMap<string, RecoveredEntry>;
  /** All segments, oldest first. */
  readonly segments: readonly SegmentContent[];
  /** Settlements whose begin is nowhere. */
  readonly lostBegins: ReadonlyMap<string, RecordPlace>;
  /** The first number that no file has yet, kept-aside ones included. */
  readonly nextSegment: number;
}

export interface SegmentContent {
  readonly number: number;
  readonly records: number;
  /** Where damage begins to what was durable. */
  readonly corruptOffsets: readonly number[];
  /** Where the last write began to fail, or is under way; nobody was told that it is durable. */
  readonly tornAt: number | undefined;
  /** Made ready, and never written to. */
  readonly isUnused: boolean;
}

export type Recovery = Pick<JournalContent, "entries" | "nextSegment"> & {
  /** Numbers of the segments that have records, ascending. */
  readonly segments: readonly number[];
  /** Those of them that are damaged. */
  readonly corruptSegments: readonly number[];
};

export function segmentFileName(segment: number): string {
  return `${String(segment).padStart(10, "0")}.journal`;
}

/** Reads all segments, cuts a torn tail and removes segments that were never written to; changes nothing else. */
export async function recover(disk: Disk, directory: string, logger: Logger): Promise<Recovery> {
  const { entries, segments, lostBegins, nextSegment } = await readJournal(disk, directory);
  const fileOf = (segment: number): string => join(directory, segmentFileName(segment));
  for (const { number, isUnused, corruptOffsets, tornAt } of segments) {
    const file = fileOf(number);
    if (isUnused) await disk.remove(file);
    for (const offset of corruptOffsets) logger.error({ file, offset }, "the journal is corrupt here; the rest of it is read, and the file is kept aside");
    if (tornAt === undefined) continue;
    logger.warn({ file, offset: tornAt }, "the journal's last write was cut short, before anyone relied on it; it is dropped");
    await disk.truncate(file, tornAt);
  }
  await disk.syncDirectory(directory);
  for (const [id, { segment, offset }] of lostBegins) logger.error({ id, file: fileOf(segment), offset }, "the journal has a settlement whose begin is lost");
  const used = segments.filter(({ isUnused }) => !isUnused);
  const corrupt = used.filter(({ corruptOffsets }) => corruptOffsets.length > 0);
  return { entries, nextSegment, segments: used.map(({ number }) => number), corruptSegments: corrupt.map(({ number }) => number) };
}

/** Reads all segments and changes nothing; also while a process writes them. */
export async function readJournal(disk: Disk, directory: string): Promise<JournalContent> {
  const numbers = (await disk.list(directory)).map((name) => /^(\d{10})\.journal(\.corrupt)?$/.exec(name)).filter((match) => match !== null);
  const present = numbers.filter((match) => match[2] === undefined).map((match) => Number(match[1])).sort((left, right) => left - right);
  const nextSegment = Math.max(0, ...numbers.map((match) => Number(match[1]))) + 1;
  const replay = new Replay();
  const segments: SegmentContent[] = [];
  // A segment's faults can be judged only when it is known whether anything was written after it.
  let previous: ScannedSegment | undefined;
  for (const segment of present) {
    const scanned = scanSegment(await disk.read(join(directory, segmentFileName(segment))), segment);
    if (isUnused(scanned)) {
      segments.push({ number: segment, records: 0, corruptOffsets: [], tornAt: undefined, isUnused: true });
      continue;
    }
    if (previous !== undefined) accept(previous, false);
    previous = scanned;
  }
  if (previous !== undefined) accept(previous, true);
  segments.sort((left, right) => left.number - right.number);
  return { entries: replay.entries, segments, lostBegins: replay.unmatchedSettlements, nextSegment };

  function accept(scanned: ScannedSegment, isLast: boolean): void {
    const { segment } = scanned;
    const tornAt = isLast ? findTornTail(scanned) : undefined;
    const isIntact = (offset: number): boolean => tornAt === undefined || offset < tornAt;
    const records = scanned.records.filter(({ offset }) => isIntact(offset));
    segments.push({ number: segment, records: records.length, corruptOffsets: scanned.faults.filter(isIntact), tornAt, isUnused: false });
    for (const { record, offset } of records) replay.apply(record, { segment, offset, lengthBytes: record.lengthBytes });
  }
}

interface ScannedSegment {
  readonly segment: number;
  readonly records: readonly { readonly record: JournalRecord; readonly offset: number }[];
  /** Offsets at which something stands that is no intact record, ascending. */
  readonly faults: readonly number[];
}

function scanSegment(bytes: Buffer, segment: number): ScannedSegment {
  const records: { record: JournalRecord; offset: number }[] = [];
  const faults: number[] = [];
  if (!bytes.subarray(0, segmentHeaderBytes).equals(encodeSegmentHeader(segment))) faults.push(0);
  let offset = segmentHeaderBytes;
  while (offset < bytes.length) {
    const record = readRecord(bytes, offset, segment, offset);
    if (record !== undefined) {
      records.push({ record, offset });
      offset += record.lengthBytes;
      continue;
    }
    const endOfData = findEndOfData(bytes, offset);
    if (offset >= endOfData) break;
    faults.push(offset);
    do offset++;
    while (offset < endOfData && readRecord(bytes, offset, segment, offset) === undefined);
    if (offset >= endOfData) break;
  }
  return { segment, records, faults };
}

/** True for a file that was made ready and never used, whatever the end of the process left of its header. */
function isUnused({ records, faults }: ScannedSegment): boolean {
  return records.length === 0 && faults.every((offset) => offset === 0);
}

/**
 * Where the write began to fail that the end of the process cut short; undefined when none was.
 * Groups are written one after the other, each when the one before is durable. So a fault that a later group follows
 * was durable once, and is corruption; one that only records of its own group follow was never promised to anyone.
 */
function findTornTail({ records, faults }: ScannedSegment): number | undefined {
  const lastGroupOffset = records.at(-1)?.record.groupOffset ?? segmentHeaderBytes;
  return faults.find((offset) => offset >= lastGroupOffset);
}

/** The end of the last byte that is not zero, or `start` when all are zero from there. */
function findEndOfData(bytes: Buffer, start: number): number {
  let end = bytes.length;
  while (end > start && bytes[end - 1] === 0) end--;
  return end;
}

class Replay {
  readonly entries = new Map<string, RecoveredEntry>();
  readonly unmatchedSettlements = new Map<string, RecordPlace>();

  apply({ type, id, payload }: JournalRecord, place: RecordPlace): void {
    switch (type) {
      case recordType.begin:
        // A second begin of an open id is its copy by compaction; the first still stands.
        if (!this.entries.has(id)) this.entries.set(id, { begin: place, beginPayload: payload, settle: undefined, settlePayload: undefined, checkpoint: undefined, checkpointPayload: undefined });
        this.unmatchedSettlements.delete(id);
        break;
      case recordType.settle:
        this.#settle(id, payload, place);
        break;
      case recordType.checkpoint:
        this.#checkpoint(id, payload, place);
        break;
      case recordType.confirm:
        for (const confirmedId of decodeConfirmedIds(payload)) {
          this.entries.delete(confirmedId);
          this.unmatchedSettlements.delete(confirmedId);
        }
    }
  }

  /** One without its begin is old: compaction has moved the begin, and the last checkpoint with it, further on. */
  #checkpoint(id: string, payload: Uint8Array, place: RecordPlace): void {
    const entry = this.entries.get(id);
    if (entry === undefined || entry.settle !== undefined) return;
    entry.checkpoint = place;
    entry.checkpointPayload = payload;
  }

  #settle(id: string, payload: Uint8Array, place: RecordPlace): void {
    const entry = this.entries.get(id);
    if (entry === undefined) {
      // Compaction has moved the begin, and this settlement with it, further on; else the begin is lost.
      this.unmatchedSettlements.set(id, place);
    } else if (entry.settle === undefined) {
      entry.settle = place;
      entry.settlePayload = payload;
      entry.checkpoint = undefined;
      entry.checkpointPayload = undefined;
    }
  }
}
