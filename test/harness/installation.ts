/** Owns an installation that was started once already: a first start takes longer than most tests, and few are about it. */
import { execFile } from "node:child_process";
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { inject } from "vitest";
import { copyDatabase, createEmptyDatabase, urlOf } from "./database.ts";
import { startWeirProcess } from "./weir-process.ts";

/** Where the PostgreSQL of an installation is: in the data directory, or that of the test run. */
type Place = "own" | "shared";

/** Fills a new data directory with what a first start leaves there; its Weir has a PostgreSQL of its own. */
export async function install(dataDirectory: string): Promise<void> {
  await copy(await prepared("own"), dataDirectory);
}

/** Likewise, with its database on the PostgreSQL of the test run; resolves with how to reach it. */
export async function installOnSharedPostgres(dataDirectory: string): Promise<string> {
  const directory = await prepared("shared");
  await copy(directory, dataDirectory);
  const database = await copyDatabase(await readFile(join(directory, databaseFile), "utf8"));
  await rm(join(dataDirectory, databaseFile));
  return urlOf(database);
}

const databaseFile = "database";

/** The one to copy, made by whoever needs it first; of several at once, one stays. */
async function prepared(place: Place): Promise<string> {
  const directory = join(inject("installations"), place);
  if (await access(directory).then(() => true, () => false)) return directory;
  const own = `${directory}.${process.pid}`;
  await mkdir(own, { recursive: true });
  const environment: Record<string, string> = {};
  if (place === "shared") {
    const database = await createEmptyDatabase();
    environment["WEIR_DATABASE_URL"] = urlOf(database);
    await writeFile(join(own, databaseFile), database.database!);
  }
  const weir = await startWeirProcess({ words: ["--data", own, "--port", "0"], environment });
  await weir.stop("SIGTERM");
  // The processes of a copy are others.
  await rm(join(own, "instances"), { recursive: true });
  await rename(own, directory).catch(() => rm(own, { recursive: true }));
  return directory;
}

/** With the owners of the files: PostgreSQL's belong to another user where root runs the tests. */
async function copy(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", ["-a", `${from}/.`, to]);
}
