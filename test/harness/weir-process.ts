/** Owns one process of Weir for tests: the real command, with what it printed and logged. */
import { spawn, type ChildProcess } from "node:child_process";
import { weirCommand } from "./weir-bundle.ts";

export interface WeirProcessOptions {
  /** The words after `weir serve`. */
  readonly words: readonly string[];
  /** Variables beside PATH and HOME; no vendor's key is inherited. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface WeirProcess {
  readonly pid: number;
  /** What it printed for people. */
  readonly page: string;
  /** The origin of its admin port. */
  readonly adminOrigin: string;
  /** The lines of its log so far, parsed. */
  log(): readonly Readonly<Record<string, unknown>>[];
  /** Sends the signal and resolves when the process has ended, with its exit code. */
  stop(signal: NodeJS.Signals): Promise<number | null>;
}

const root = new URL("../../", import.meta.url).pathname;
const startWithinMs = 90_000;

const running = new Set<ChildProcess>();
process.once("exit", killLeftovers);

/** What a failed test has left running would slow down all that come after it. */
export function killLeftovers(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Resolves when it is ready. */
export async function startWeirProcess({ words, environment }: WeirProcessOptions): Promise<WeirProcess> {
  const command = await weirCommand();
  const child = spawn(process.execPath, [command.file, "serve", "--admin-port", "0", ...words], {
    cwd: root,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...command.environment, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  void ended.then(() => running.delete(child));
  let log = "";
  let page = "";
  child.stderr.on("data", (text: Buffer) => (log += text.toString()));
  const isReady = new Promise<void>((resolve) =>
    child.stdout.on("data", (text: Buffer) => {
      page += text.toString();
      if (/^ {2}Metrics, health .*\n/m.test(page) && page.endsWith("\n")) resolve();
    }),
  );
  const late = Promise.withResolvers<never>();
  const timeout = setTimeout(() => late.reject(new Error(`Weir (${words.join(" ")}) was not ready within ${startWithinMs} ms.\n${page}\n${log}`)), startWithinMs);
  const early = ended.then((code) => Promise.reject(new Error(`Weir (${words.join(" ")}) ended with code ${code}.\n${page}\n${log}`)));
  // Afterwards an end is what the test asked for.
  early.catch(() => undefined);
  try {
    await Promise.race([isReady, late.promise, early]);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  } finally {
    clearTimeout(timeout);
  }
  return {
    pid: child.pid!,
    page,
    adminOrigin: /http:\/\/[^/\s]+(?=\/metrics)/.exec(page)![0],
    log: () => log.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>),
    stop: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}
