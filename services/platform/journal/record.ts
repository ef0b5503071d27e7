/** Owns the bytes of segments and records: how they are written, checked and read back. README.md shows the layout. */
import { crc32 } from "node:zlib";

export const recordType = { begin: 1, settle: 2, confirm: 3, checkpoint: 4 } as const;
export type RecordType = (typeof recordType)[keyof typeof recordType];

export interface JournalRecord {
  readonly type: RecordType;
  readonly id: string;
  readonly payload: Uint8Array;
  /** Where in the segment the group begins that it was written with. */
  readonly groupOffset: number;
  readonly lengthBytes: number;
}

/** The longest payload of a begin, and of any record. */
export const maximumBeginBytes = 16 * 1024;
/** The longest payload of a settlement; every begin reserves as much. */
export const maximumSettlementBytes = 8 * 1024;
/** The longest payload of a checkpoint. */
export const maximumCheckpointBytes = 4 * 1024;
export const maximumIdBytes = 255;
export const segmentHeaderBytes = 16;

const recordHeaderBytes = 14;
const maximumRecordBytes = recordHeaderBytes + maximumIdBytes + maximumBeginBytes;
const magic = Buffer.from("weirjrn1", "latin1");

export function recordBytes(idBytes: number, payloadBytes: number): number {
  return recordHeaderBytes + idBytes + payloadBytes;
}

/** Writes a record of `recordBytes(…)` bytes into `buffer` at `at`; it will stand in `segment` at `offset`. */
export function writeRecord(
  buffer: Buffer,
  at: number,
  segment: number,
  offset: number,
  groupOffset: number,
  type: RecordType,
  id: string,
  idBytes: number,
  payload: Uint8Array,
): void {
  const lengthBytes = recordHeaderBytes + idBytes + payload.length;
  buffer.writeUInt32LE(lengthBytes, at + 4);
  buffer.writeUInt32LE(groupOffset, at + 8);
  buffer[at + 12] = type;
  buffer[at + 13] = idBytes;
  buffer.write(id, at + recordHeaderBytes, idBytes, "utf8");
  buffer.set(payload, at + recordHeaderBytes + idBytes);
  buffer.writeUInt32LE(crc32(buffer.subarray(at + 4, at + lengthBytes), placeSeed(segment, offset)), at);
}

/** The record at `at` of `bytes`, which stands in `segment` at `offset`; undefined when there is no intact one. */
export function readRecord(bytes: Buffer, at: number, segment: number, offset: number): JournalRecord | undefined {
  if (at + recordHeaderBytes > bytes.length) return undefined;
  const lengthBytes = bytes.readUInt32LE(at + 4);
  const groupOffset = bytes.readUInt32LE(at + 8);
  const type = bytes[at + 12]!;
  const payloadStart = at + recordHeaderBytes + bytes[at + 13]!;
  const end = at + lengthBytes;
  if (lengthBytes > maximumRecordBytes || end > bytes.length || payloadStart > end) return undefined;
  if (groupOffset > offset || !isRecordType(type)) return undefined;
  if (crc32(bytes.subarray(at + 4, end), placeSeed(segment, offset)) !== bytes.readUInt32LE(at)) return undefined;
  const id = bytes.toString("utf8", at + recordHeaderBytes, payloadStart);
  return { type, id, payload: bytes.subarray(payloadStart, end), groupOffset, lengthBytes };
}

export function encodeSegmentHeader(segment: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  magic.copy(header);
  header.writeUInt32LE(segment, 8);
  header.writeUInt32LE(crc32(header.subarray(0, 12)), 12);
  return header;
}

/** The payloads of confirm records for these ids, each within the bound of a payload. */
export function encodeConfirmedIds(ids: readonly string[]): Buffer[] {
  const payloads: Buffer[] = [];
  let parts: Buffer[] = [];
  let lengthBytes = 0;
  for (const id of ids) {
    const text = Buffer.from(id, "utf8");
    if (lengthBytes + 1 + text.length > maximumBeginBytes) {
      payloads.push(Buffer.concat(parts));
      parts = [];
      lengthBytes = 0;
    }
    parts.push(Buffer.of(text.length), text);
    lengthBytes += 1 + text.length;
  }
  if (parts.length > 0) payloads.push(Buffer.concat(parts));
  return payloads;
}

export function decodeConfirmedIds(payload: Uint8Array): string[] {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const ids: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + bytes[at]!;
    ids.push(bytes.toString("utf8", at + 1, end));
    at = end;
  }
  return ids;
}

/** The checksum starts from the record's place, so that bytes inside a payload never pass for a record. */
function placeSeed(segment: number, offset: number): number {
  return (Math.imul(segment, 0x9e3779b1) ^ offset) >>> 0;
}

function isRecordType(type: number): type is RecordType {
  return type >= recordType.begin && type <= recordType.checkpoint;
}
