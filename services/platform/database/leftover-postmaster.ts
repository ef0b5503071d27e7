/** Owns the end of a PostgreSQL that outlived a killed Weir: found by its pid file, told apart from strangers, stopped. */
import { execFile } from "node:child_process";
import { readFile, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { postmasterFilePath, readPostmasterFile, type PostmasterFile } from "./postmaster-file.ts";
import { socketPath } from "./socket-directory.ts";

const fastShutdownMs = 5_000;
const immediateShutdownMs = 8_000;
const pollMs = 20;
const settleMs = 500;

/**
 * Makes the way free for a new server in this cluster, whose data folder this process has locked.
 * A process that merely has got the same pid since is left alone.
 */
export async function stopLeftoverPostmaster(clusterDirectory: string, logger: Logger): Promise<void> {
  const file = await readSettledFile(clusterDirectory);
  if (file === undefined) return;
  const state = file === "unfinished" ? "gone" : await inspect(file, clusterDirectory);
  if (file !== "unfinished" && state === "running") {
    logger.warn({ pid: file.pid }, "stopping the PostgreSQL that a killed Weir left behind");
    await stopPostmaster(file, clusterDirectory);
  }
  // Where nothing shows whose the pid is, the file stays, and PostgreSQL's own check decides.
  if (state === "gone") await rm(postmasterFilePath(clusterDirectory), { force: true });
}

/** The file, after a moment for a server to finish it whose Weir was killed while it started. */
async function readSettledFile(clusterDirectory: string): ReturnType<typeof readPostmasterFile> {
  const file = await readPostmasterFile(clusterDirectory);
  if (file !== "unfinished") return file;
  await sleep(settleMs);
  return readPostmasterFile(clusterDirectory);
}

async function stopPostmaster(file: PostmasterFile, clusterDirectory: string): Promise<void> {
  for (const [signal, waitMs] of [["SIGINT", fastShutdownMs], ["SIGQUIT", immediateShutdownMs]] as const) {
    process.kill(file.pid, signal);
    for (const deadline = performance.now() + waitMs; performance.now() < deadline; ) {
      await sleep(pollMs);
      if ((await inspect(file, clusterDirectory)) !== "running") return;
    }
  }
  throw new GatewayError(
    "DEPENDENCY_UNAVAILABLE",
    `A PostgreSQL (process ${file.pid}) that an earlier Weir left behind in ${clusterDirectory} does not stop: end it by hand, then start again.`,
  );
}

type PostmasterState = "running" | "gone" | "unknown";

async function inspect(file: PostmasterFile, clusterDirectory: string): Promise<PostmasterState> {
  if (!isAlive(file.pid)) return "gone";
  const commandLine = await commandLineOf(file.pid);
  if (commandLine === undefined) {
    // Only the cluster's own server listens on its socket, and that server keeps its pid in the file.
    return (await accepts(socketPath(file.socketDirectory))) ? "running" : "unknown";
  }
  return (await isPostmasterOf(commandLine, clusterDirectory)) ? "running" : "gone";
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // "Not permitted" is no server of ours either: that would run as this user, unless this is root, who may do all.
    return false;
  }
}

/** The command line of a process (empty for a zombie), or undefined when this machine has neither /proc nor ps to show it. */
async function commandLineOf(pid: number): Promise<string | undefined> {
  try {
    return (await readFile(`/proc/${pid}/cmdline`, "utf8")).replaceAll("\0", " ");
  } catch {
    return promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)]).then(
      ({ stdout }) => stdout,
      () => undefined,
    );
  }
}

/** Whether a command line is `…/postgres -D <this cluster> -c …`, under whatever name the cluster's folder was given there. */
async function isPostmasterOf(commandLine: string, clusterDirectory: string): Promise<boolean> {
  const [, program = "", directory = ""] = /^(.*?) -D (.*?)(?: -c |\s*$)/s.exec(commandLine) ?? [];
  if (basename(program) !== "postgres") return false;
  try {
    const [theirs, ours] = await Promise.all([stat(directory), stat(clusterDirectory)]);
    return theirs.dev === ours.dev && theirs.ino === ours.ino;
  } catch {
    // The folder was moved since, or that process sees other folders: the socket moved along.
    return accepts(socketPath(clusterDirectory));
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const answer = (accepted: boolean) => () => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", answer(true)).once("error", answer(false));
  });
}
