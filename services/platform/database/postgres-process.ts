/** Owns one run of PostgreSQL as a child process: its settings, its way to readiness, its log, its end. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import type { PostgresCluster } from "./postgres-cluster.ts";
import { readPostmasterFile } from "./postmaster-file.ts";
import { socketPort } from "./socket-directory.ts";
import type { SupervisedProcess } from "./supervise.ts";

/** Settings that differ from PostgreSQL's own; durability (fsync, synchronous_commit, full_page_writes) is left on. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "",
  port: String(socketPort),
  max_connections: "60",
  shared_buffers: "128MB",
  max_wal_size: "512MB",
  // Queries are short: planning them for several processes, or compiling them, costs more than it gives.
  max_parallel_workers_per_gather: "0",
  jit: "off",
  // Nothing replicates from this server.
  max_wal_senders: "0",
  wal_level: "minimal",
  timezone: "UTC",
  log_timezone: "UTC",
  log_line_prefix: "",
  // What a statement holds may be a secret: statements, parameters and the values in details stay out of the log.
  log_min_error_statement: "panic",
  log_error_verbosity: "terse",
};

// A start after a crash replays the write-ahead log, whose size is bounded above.
const readyTimeoutMs = 60_000;
const pollMs = 10;
const fastShutdownMs = 4_000;
const immediateShutdownMs = 6_000;
const lastWordsMs = 200;
const keptLogLines = 10;

/**
 * Starts PostgreSQL and waits until it takes connections. Stopping it lets it write everything back first; if that takes
 * too long it ends at once, for its write-ahead log has what was committed. Throws DEPENDENCY_UNAVAILABLE with its last words when it ends before.
 */
export async function startPostgresProcess(
  binaries: PostgresBinaries,
  cluster: PostgresCluster,
  socketDirectory: string,
  logger: Logger,
): Promise<SupervisedProcess> {
  const child = spawnPostgres(binaries, cluster, socketDirectory);
  const lastLines = relayLog(child, logger);
  const exited = exitOf(child);
  const outcome = await becomeReady(cluster.directory, child, exited);
  if (outcome === "ready") return { exited, stop: () => stopProcess(child, exited) };
  await stopProcess(child, exited);
  throw new GatewayError("DEPENDENCY_UNAVAILABLE", `PostgreSQL did not start in ${cluster.directory} (${outcome}): ${lastLines.join(" / ")}`);
}

function spawnPostgres(binaries: PostgresBinaries, cluster: PostgresCluster, socketDirectory: string): ChildProcess {
  const options = Object.entries({ ...settings, unix_socket_directories: socketDirectory }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const [command, ...rest] = [...cluster.runAs.prefix, binaries.postgres, "-D", cluster.directory, ...options];
  // Detached, so that Ctrl-C in a terminal reaches Weir alone, which still needs its database to finish what was begun.
  return spawn(command!, rest, { cwd: "/", env: binaries.environment, detached: true, stdio: ["ignore", "ignore", "pipe"] });
}

/** Passes the log on, and keeps its last lines, in an array that changes. */
function relayLog(child: ChildProcess, logger: Logger): readonly string[] {
  const lastLines: string[] = [];
  createInterface({ input: child.stderr! }).on("line", (line) => {
    lastLines.push(line);
    if (lastLines.length > keptLogLines) lastLines.shift();
    logger[levelOf(line)]({ postgres: line }, "PostgreSQL says");
  });
  return lastLines;
}

function levelOf(line: string): "error" | "warn" | "debug" {
  if (line.startsWith("PANIC")) return "error";
  // "ERROR" and "FATAL" end one statement or one connection, whose client is told as well.
  return line.startsWith("WARNING") ? "warn" : "debug";
}

function exitOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => {
      const outcome = signal === null ? `exit code ${code}` : `signal ${signal}`;
      // The log is read to its end first; but a child that a killed PostgreSQL left behind may hold it open.
      child.once("close", () => resolve(outcome));
      setTimeout(resolve, lastWordsMs, outcome);
    });
  });
}

async function becomeReady(clusterDirectory: string, child: ChildProcess, exited: Promise<string>): Promise<string> {
  for (const deadline = performance.now() + readyTimeoutMs; performance.now() < deadline; await sleep(pollMs)) {
    if (hasEnded(child)) return exited;
    const file = await readPostmasterFile(clusterDirectory);
    if (typeof file === "object" && file.pid === child.pid && file.isReady) return "ready";
  }
  return `not ready after ${readyTimeoutMs} ms`;
}

async function stopProcess(child: ChildProcess, exited: Promise<string>): Promise<void> {
  for (const [signal, waitMs] of [["SIGINT", fastShutdownMs], ["SIGQUIT", immediateShutdownMs], ["SIGKILL", immediateShutdownMs]] as const) {
    if (hasEnded(child)) return;
    child.kill(signal);
    const waiting = new AbortController();
    await Promise.race([exited, sleep(waitMs, undefined, { signal: waiting.signal }).catch(() => {})]);
    waiting.abort();
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
