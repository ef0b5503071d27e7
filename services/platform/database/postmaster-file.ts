/** Owns the reading of postmaster.pid, in which a running PostgreSQL says who and how far it is. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export interface PostmasterFile {
  readonly pid: number;
  readonly socketDirectory: string;
  /** Whether it takes connections. */
  readonly isReady: boolean;
}

/** The file's path in the cluster's directory. */
export function postmasterFilePath(clusterDirectory: string): string {
  return join(clusterDirectory, "postmaster.pid");
}

/** What the file says; `unfinished` while it is being written, or after a crash that fell into that moment; undefined when there is none. */
export async function readPostmasterFile(clusterDirectory: string): Promise<PostmasterFile | "unfinished" | undefined> {
  let text: string;
  try {
    text = await readFile(postmasterFilePath(clusterDirectory), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  // Its lines: pid, data folder, start time, port, socket folder, address, shared memory, state.
  const [pidLine, , , , socketDirectory, , , state] = text.split("\n");
  const pid = Number(pidLine);
  if (!Number.isSafeInteger(pid) || pid <= 1 || socketDirectory === undefined) return "unfinished";
  return { pid, socketDirectory, isReady: state?.trim() === "ready" };
}
