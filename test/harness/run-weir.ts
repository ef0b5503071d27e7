/** Owns a command of Weir for tests that is run to its end, as an operator runs it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { weirCommand } from "./weir-bundle.ts";

export interface CommandOutcome {
  /** The exit code; null for a death by signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Variables beside PATH and HOME; `{ WEIR_DATA: weir.dataDirectory }` for a command that talks to a Weir. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What stands on standard input; default nothing. */
  readonly input?: string;
  /** Reads no standard output, and closes it before the command has begun. */
  readonly closesOutput?: true;
}

const root = new URL("../../", import.meta.url).pathname;
const withinMs = 60_000;

export async function runWeir(words: readonly string[], { environment = {}, input = "", closesOutput }: CommandOptions = {}): Promise<CommandOutcome> {
  const command = await weirCommand();
  const child = spawn(process.execPath, [command.file, ...words], {
    cwd: root,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...command.environment, ...environment },
    timeout: withinMs,
  });
  child.stdin.end(input);
  if (closesOutput) child.stdout.destroy();
  const ended = once(child, "close") as Promise<[code: number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([closesOutput ? "" : text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}
