/** Owns Weir in few files for tests: they start hundreds of processes, while its sources may change. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { inject, vi } from "vitest";

const madeWithinMs = 60_000;
const bundler = fileURLToPath(new URL("../../scripts/bundle.js", import.meta.url));

/** How a test starts Weir. */
export interface WeirCommand {
  /** What to run, in place of services/compose/weir.js; it does the very same. */
  readonly file: string;
  /** Variables that it needs to start as fast as it can. */
  readonly environment: Readonly<Record<string, string>>;
}

/** The command, made from the sources as they are at the beginning of the test run. */
export function weirCommand(): Promise<WeirCommand> {
  return (command ??= make(inject("weirBundle")));
}

let command: Promise<WeirCommand> | undefined;

/** By whoever needs it first, while the others wait: it takes both cores some seconds. */
async function make(directory: string): Promise<WeirCommand> {
  const made = join(directory, "made");
  const isFirst = await mkdir(directory).then(() => true, () => false);
  if (isFirst) await promisify(execFile)(process.execPath, [bundler, made], { env: {} });
  await vi.waitUntil(() => existsSync(made), { timeout: madeWithinMs, interval: 50 });
  return { file: join(made, "command.cjs"), environment: { NODE_COMPILE_CACHE: join(directory, "compiled") } };
}
