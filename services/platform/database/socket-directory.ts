/** Owns where PostgreSQL's unix socket lies: in the data folder, or near the root where the data folder's path is too long for a socket. */
import { createHash } from "node:crypto";
import { chownSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayError } from "../errors.ts";

/** PostgreSQL names its socket after a port, also where it listens on none. */
export const socketPort = 5432;

/** The socket's path in its directory. */
export function socketPath(directory: string): string {
  return join(directory, `.s.PGSQL.${socketPort}`);
}

// The smallest that a system we run on allows (macOS; Linux has 107).
const longestSocketPathBytes = 103;

/** A directory that belongs to the user, and to no one else, with a path short enough for a socket. */
export function openSocketDirectory(clusterDirectory: string, userId: number): string {
  if (fits(clusterDirectory)) return clusterDirectory;
  const name = `weir-${createHash("sha256").update(clusterDirectory).digest("hex").slice(0, 16)}`;
  const directory = [join(tmpdir(), name), join("/tmp", name)].find(fits)!;
  makePrivate(directory, userId);
  return directory;
}

function fits(directory: string): boolean {
  return Buffer.byteLength(socketPath(directory)) <= longestSocketPathBytes;
}

// The name can be foreseen and others may write to the parent: whoever made it must be we.
function makePrivate(directory: string, userId: number): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
    if (process.getuid!() !== userId) chownSync(directory, userId, userId);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const found = lstatSync(directory);
  if (!found.isDirectory() || found.uid !== userId || (found.mode & 0o077) !== 0) {
    throw new GatewayError(
      "DEPENDENCY_UNAVAILABLE",
      `${directory} is needed for PostgreSQL's socket, but it is not a private folder of user ${userId}: remove it, or give Weir a data folder with a shorter path.`,
    );
  }
}
