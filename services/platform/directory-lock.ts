/** Owns the lock that keeps a second process out of a directory; the kernel lets go of it however the holder dies. */
import { execFile, spawnSync } from "node:child_process";
import { closeSync, constants, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { GatewayError } from "./errors.ts";

export interface DirectoryLock {
  /** Lets the next process in; a second call does nothing. */
  release(): void;
}

// macOS takes the lock while it opens the file; Node has no name for the flag.
const openExclusivelyOnMac = 0x20;

/**
 * Locks the directory (made when missing, for its owner alone) until `release` or the end of this process.
 * Throws ALREADY_EXISTS, naming the directory and the process that holds it.
 */
export function lockDirectory(directory: string): DirectoryLock {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, "lock");
  const descriptor = process.platform === "darwin" ? openLockedOnMac(file) : openLockedOnLinux(file);
  if (descriptor === undefined) throw heldByAnother(directory, file);
  ftruncateSync(descriptor);
  writeSync(descriptor, `${process.pid}\n`);
  let isHeld = true;
  return {
    release: () => {
      if (isHeld) closeSync(descriptor);
      isHeld = false;
    },
  };
}

/** True while a process has the directory locked, this one included; asks without holding up anything. Where that cannot be asked, false. */
export function isLocked(directory: string): Promise<boolean> {
  if (process.platform === "darwin") return Promise.resolve(false);
  return new Promise((resolve) => execFile("flock", ["-n", "-E", "75", join(directory, "lock"), "true"], (error) => resolve(error?.code === 75)));
}

// The file itself stays for ever: if a holder removed it, two later ones could each lock a different file of that name.
function openLockedOnMac(file: string): number | undefined {
  try {
    return openSync(file, constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | openExclusivelyOnMac, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return undefined;
    throw error;
  }
}

// Node cannot call flock(2). The command can do it for us: such a lock belongs to the open file that both share, not to a process.
function openLockedOnLinux(file: string): number | undefined {
  const descriptor = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  const { status, error } = spawnSync("flock", ["-n", "3"], { stdio: ["ignore", "ignore", "ignore", descriptor] });
  if (status === 0) return descriptor;
  closeSync(descriptor);
  if (status === 1) return undefined;
  throw new GatewayError("DEPENDENCY_UNAVAILABLE", `${file} cannot be locked: the command "flock" failed; install util-linux.`, { cause: error });
}

function heldByAnother(directory: string, file: string): GatewayError {
  const holder = readFileSync(file, "utf8").trim();
  return new GatewayError(
    "ALREADY_EXISTS",
    `${directory} is in use by another Weir (process ${holder || "unknown"}): stop that one, or give this one a data folder of its own.`,
    { metadata: { directory, pid: holder } },
  );
}
