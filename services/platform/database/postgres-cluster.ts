/** Owns the folder with PostgreSQL's files: made once, whole or not at all, and the secret from which its passwords come. */
import { execFile } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { chown, mkdtemp, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { GatewayError } from "../errors.ts";
import { Secret } from "../secrets/secret.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { chooseRunAs, type RunAs } from "./run-as.ts";

export interface PostgresCluster {
  readonly directory: string;
  readonly runAs: RunAs;
  /** The password of a login role. */
  passwordOf(role: string): Secret;
}

/** The one superuser; only Weir's own administration of the server logs in with it. */
export const superuser = "weir_superuser";

const majorVersion = "18";
const initdbTimeoutMs = 60_000;

/** Opens the cluster below `dataDirectory`, which exists and is locked; the first time, makes it. */
export async function openPostgresCluster(dataDirectory: string, binaries: PostgresBinaries): Promise<PostgresCluster> {
  const directory = join(dataDirectory, "cluster");
  const owner = await ownerOf(directory);
  const runAs = await chooseRunAs(binaries, dataDirectory, owner);
  if (owner !== undefined && owner !== runAs.userId) {
    throw new GatewayError("DEPENDENCY_UNAVAILABLE", `${directory} belongs to user ${owner}: start Weir as that user, or with another data folder.`);
  }

  const secret = await readOrMakeSecret(join(dataDirectory, "secret"));
  const passwordOf = (role: string) => new Secret(createHmac("sha256", secret.reveal()).update(`postgres role ${role}`).digest("base64url"));
  if (owner === undefined) await makeCluster(directory, binaries, runAs, passwordOf(superuser));
  await checkVersion(directory);
  return { directory, runAs, passwordOf };
}

async function ownerOf(directory: string): Promise<number | undefined> {
  try {
    return (await stat(directory)).uid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function readOrMakeSecret(file: string): Promise<Secret> {
  try {
    return new Secret(await readFile(file, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  const secret = randomBytes(32).toString("base64url");
  await writeDurably(`${file}.new`, secret);
  await rename(`${file}.new`, file);
  await syncDirectory(dirname(file));
  return new Secret(secret);
}

async function makeCluster(directory: string, binaries: PostgresBinaries, runAs: RunAs, password: Secret): Promise<void> {
  await removeUnfinished(directory);
  const unfinished = await mkdtemp(unfinishedPrefix(directory));
  const passwordFile = `${unfinished}.password`;
  if (process.getuid!() !== runAs.userId) await chown(unfinished, runAs.userId, runAs.userId);
  await writeDurably(passwordFile, password.reveal());
  try {
    const options = ["--encoding=UTF8", "--no-locale", "--auth=scram-sha-256", `--username=${superuser}`, `--pwfile=${passwordFile}`];
    const [command, ...rest] = [...runAs.prefix, binaries.initdb, ...options, `--pgdata=${unfinished}`];
    await promisify(execFile)(command!, rest, { cwd: "/", env: binaries.environment, timeout: initdbTimeoutMs });
  } catch (error) {
    const detail = ((error as { stderr?: string }).stderr ?? "").trim();
    throw new GatewayError("DEPENDENCY_UNAVAILABLE", `PostgreSQL could not make its files in ${directory}: ${detail || String(error)}`, { cause: error });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(unfinished, directory);
  await syncDirectory(dirname(directory));
}

// A folder of its own for each try: the initdb of a killed Weir may still be writing to the last one.
const unfinishedPrefix = (directory: string): string => `${directory}.unfinished-`;

async function removeUnfinished(directory: string): Promise<void> {
  const parent = dirname(directory);
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    if (path.startsWith(unfinishedPrefix(directory))) await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

async function checkVersion(directory: string): Promise<void> {
  const version = (await readFile(join(directory, "PG_VERSION"), "utf8")).trim();
  if (version !== majorVersion) {
    throw new GatewayError(
      "DEPENDENCY_UNAVAILABLE",
      `${directory} was made by PostgreSQL ${version}, and this Weir brings PostgreSQL ${majorVersion}: dump the data with the Weir that made it, and load it into a new data folder.`,
    );
  }
}

async function writeDurably(file: string, text: string): Promise<void> {
  await rm(file, { force: true });
  await using handle = await open(file, "wx", 0o600);
  await handle.writeFile(text);
  await handle.sync();
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, "r");
  await handle.sync();
}
