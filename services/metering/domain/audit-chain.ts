/** Owns the chain of an audit log: how an entry is written, hashed onto the one before, and told from one that was changed. */
import { createHash } from "node:crypto";

/** An entry's text, in the order in which it is written. */
export interface AuditText {
  readonly organization: string;
  readonly sequence: number;
  /** RFC 3339, in milliseconds. */
  readonly time: string;
  readonly call: string;
  readonly actor: string;
  readonly actorOrganization: string;
  readonly actorTeam: string;
  readonly address: string;
  readonly method: string;
  /** JSON. */
  readonly request: string;
  readonly outcome: string;
}

/** An entry as it is stored. */
export interface AuditLine {
  readonly organization_id: string;
  readonly sequence: bigint;
  readonly record_time: Date;
  readonly call_id: string;
  readonly actor: string;
  readonly method: string;
  readonly outcome: string;
  readonly entry: string;
  readonly hash: Buffer;
}

/** A place in a chain. */
export interface ChainPlace {
  readonly sequence: bigint;
  readonly hash: Buffer;
}

/** Where every chain begins, as long as none of it is past its retention. */
export const chainBegin: ChainPlace = { sequence: 0n, hash: Buffer.alloc(32) };

export function lineAfter(place: ChainPlace, text: Omit<AuditText, "sequence">): AuditLine {
  const sequence = place.sequence + 1n;
  const { organization, time, call, actor, actorOrganization, actorTeam, address, method, request, outcome } = text;
  const entry = JSON.stringify({ organization, sequence: Number(sequence), time, call, actor, actorOrganization, actorTeam, address, method, request, outcome } satisfies AuditText);
  return { organization_id: organization, sequence, record_time: new Date(time), call_id: call, actor, method, outcome, entry, hash: hashAfter(place, entry) };
}

/** What is wrong with the line that stands behind this place; undefined when nothing is. */
export function faultOf(line: AuditLine, place: ChainPlace): string | undefined {
  const expected = place.sequence + 1n;
  if (line.sequence < expected) return `it stands before the log begins, at ${expected}: what was there before is past its retention and gone`;
  if (line.sequence !== expected) return `the entries from ${expected} to ${line.sequence - 1n} are missing`;
  if (!line.hash.equals(hashAfter(place, line.entry))) return "it, or the one before, is not as it was recorded: its hash does not fit";
  const text = readEntry(line.entry);
  if (text === undefined) return "its text cannot be read";
  const repeated: readonly (readonly [column: string, stored: unknown, written: unknown])[] = [
    ["organization_id", line.organization_id, text.organization],
    ["sequence", Number(line.sequence), text.sequence],
    ["record_time", line.record_time.toISOString(), text.time],
    ["call_id", line.call_id, text.call],
    ["actor", line.actor, text.actor],
    ["method", line.method, text.method],
    ["outcome", line.outcome, text.outcome],
  ];
  const differing = repeated.find(([, stored, written]) => stored !== written);
  return differing && `its ${differing[0]} was changed: recorded was ${JSON.stringify(differing[2])}`;
}

/** Undefined when the text is not one that `lineAfter` wrote. */
export function readEntry(entry: string): AuditText | undefined {
  try {
    return JSON.parse(entry) as AuditText;
  } catch {
    return undefined;
  }
}

function hashAfter({ hash }: ChainPlace, entry: string): Buffer {
  return createHash("sha256").update(hash).update(entry).digest();
}
