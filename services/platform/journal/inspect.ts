/** Owns looking into a journal without touching it, also while a process writes it. */
import { join } from "node:path";
import { realDisk } from "./disk.ts";
import { readJournalId } from "./journal-id.ts";
import { readJournal, segmentFileName, type SegmentContent } from "./recovery.ts";

export interface InspectedJournal {
  /** Undefined for a directory without a journal. */
  readonly id: string | undefined;
  readonly segments: readonly SegmentContent[];
  /** What is unconfirmed, in the order in which it was begun. */
  readonly entries: readonly { readonly id: string; readonly beginPayload: Uint8Array; readonly settlePayload: Uint8Array | undefined }[];
  /** Where what was durable is no intact record. */
  readonly damages: readonly Place[];
  /** Settlements whose begin is among the damaged. */
  readonly lostBegins: readonly (Place & { readonly attemptId: string })[];
  /** Where a write is under way, or was cut short. */
  readonly underWay: Place | undefined;
}

export interface Place {
  readonly file: string;
  readonly offset: number;
}

/** A process that writes it removes segments meanwhile; then it is read again. */
const maximumTries = 10;

export async function inspectJournal(directory: string): Promise<InspectedJournal> {
  for (let tries = 1; ; tries++) {
    const before = await list(directory);
    try {
      const inspected = await inspect(directory);
      // A segment that has come is the next one to be written, and takes nothing away.
      const after = new Set(await list(directory));
      if (before.every((name) => after.has(name)) || tries === maximumTries) return inspected;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || tries === maximumTries) throw error;
    }
  }
}

async function list(directory: string): Promise<readonly string[]> {
  return realDisk.list(directory).catch(() => []);
}

async function inspect(directory: string): Promise<InspectedJournal> {
  if ((await list(directory)).length === 0) return { id: undefined, segments: [], entries: [], damages: [], lostBegins: [], underWay: undefined };
  const { entries, segments, lostBegins } = await readJournal(realDisk, directory);
  const placeOf = (segment: number, offset: number): Place => ({ file: join(directory, segmentFileName(segment)), offset });
  const torn = segments.find(({ tornAt }) => tornAt !== undefined);
  return {
    id: await readJournalId(realDisk, directory),
    segments,
    entries: Array.from(entries, ([id, { beginPayload, settlePayload }]) => ({ id, beginPayload, settlePayload })),
    damages: segments.flatMap(({ number, corruptOffsets }) => corruptOffsets.map((offset) => placeOf(number, offset))),
    lostBegins: Array.from(lostBegins, ([attemptId, { segment, offset }]) => ({ attemptId, ...placeOf(segment, offset) })),
    underWay: torn === undefined ? undefined : placeOf(torn.number, torn.tornAt!),
  };
}
