/** Owns the id of a journal: a file beside the segments, so that another disk is another journal, and what ended well has none. */
import { join } from "node:path";
import type { Disk } from "./disk.ts";

const name = "id";
const unfinishedName = "id.new";
/** Room on the disk for the file and its successor. */
export const journalIdBytes = 128;

/** The id; undefined where there is none. */
export async function readJournalId(disk: Disk, directory: string): Promise<string | undefined> {
  if (!(await disk.list(directory)).includes(name)) return undefined;
  return (await disk.read(join(directory, name))).toString("utf8");
}

/** Resolves when the id is durable, in place of the former one if there was one. */
export async function writeJournalId(disk: Disk, directory: string, id: string): Promise<void> {
  const unfinished = join(directory, unfinishedName);
  if ((await disk.list(directory)).includes(unfinishedName)) await disk.remove(unfinished);
  const bytes = Buffer.from(id, "utf8");
  const file = await disk.create(unfinished, bytes.length);
  file.write(bytes, 0);
  await file.sync();
  await file.close();
  await disk.rename(unfinished, join(directory, name));
  await disk.syncDirectory(directory);
}

export async function removeJournalId(disk: Disk, directory: string): Promise<void> {
  await disk.remove(join(directory, name));
  await disk.syncDirectory(directory);
}
