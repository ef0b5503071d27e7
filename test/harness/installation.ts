/** Owns an installation that was started once already: a first start takes longer than many a test, and few are about it. */
import { execFile } from "node:child_process";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { inject } from "vitest";
import { startWeirProcess } from "./weir-process.ts";

/** Fills a new data directory with what a first start leaves there, its PostgreSQL's files included. */
export async function install(dataDirectory: string): Promise<void> {
  // With the owners of the files: PostgreSQL's belong to another user where root runs the tests.
  await promisify(execFile)("cp", ["-a", `${await installation()}/.`, dataDirectory]);
}

/** The one to copy, made by whoever needs it first; of several at once, one stays. */
async function installation(): Promise<string> {
  const directory = inject("installation");
  if (await access(directory).then(() => true, () => false)) return directory;
  const own = `${directory}.${process.pid}`;
  await mkdir(own, { recursive: true });
  const weir = await startWeirProcess({ words: ["--data", own, "--port", "0"], environment: {} });
  await weir.stop("SIGTERM");
  // The processes of a copy are others.
  await rm(join(own, "instances"), { recursive: true });
  await rename(own, directory).catch(() => rm(own, { recursive: true }));
  return directory;
}
