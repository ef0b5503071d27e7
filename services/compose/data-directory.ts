/** Owns what lies in the data directory, and that its secrets are for their owner alone. */
import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { link, mkdir, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { isLocked, lockDirectory, type DirectoryLock } from "#platform/directory-lock.ts";
import { GatewayError } from "#platform/errors.ts";
import { Secret } from "#platform/secrets/secret.ts";

export interface Instance {
  /** Stays the same for whoever takes the directory over. */
  readonly id: string;
  /** For people: the machine and the directory's number. */
  readonly name: string;
  readonly journal: string;
  readonly lock: DirectoryLock;
}

export interface LocalJournal {
  /** For people. */
  readonly instance: string;
  readonly directory: string;
  /** True while a process has it. */
  readonly isHeld: boolean;
}

export class DataDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get postgres(): string {
    return join(this.path, "postgres");
  }

  get adminKeyFile(): string {
    return join(this.path, "admin-key");
  }

  get inferenceKeyFile(): string {
    return join(this.path, "inference-key");
  }

  /** Where the running Weir answers, for the other commands. */
  get addressFile(): string {
    return join(this.path, "address");
  }

  get #instances(): string {
    return join(this.path, "instances");
  }

  get #credentialKeyFile(): string {
    return join(this.path, "credential-key");
  }

  get #pepperFile(): string {
    return join(this.path, "pepper");
  }

  async create(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
  }

  /**
   * A directory for this process alone, until it ends: the first that no other process has. What an ended one left in it,
   * its journal above all, is taken over.
   */
  async claimInstance(): Promise<Instance> {
    for (let number = 1; ; number++) {
      const path = join(this.#instances, String(number));
      try {
        const lock = lockDirectory(path);
        return { id: await instanceId(join(path, "id")), name: instanceName(path), journal: join(path, "journal"), lock };
      } catch (error) {
        if (!(error instanceof GatewayError) || error.reason !== "ALREADY_EXISTS") throw error;
      }
    }
  }

  /** The journals of all instances, whoever has them. */
  async journals(): Promise<LocalJournal[]> {
    const numbers = (await namesIn(this.#instances)).sort((left, right) => Number(left) - Number(right));
    const all = numbers.map((number) => join(this.#instances, number));
    const journals = all.map(async (path) => ({ instance: instanceName(path), directory: join(path, "journal"), isHeld: await isLocked(path) }));
    return Promise.all(journals);
  }

  /** The journal of an instance that no process has any more; undefined when none was left. */
  async claimLeftoverJournal(): Promise<{ readonly instance: string; readonly directory: string; release(): void } | undefined> {
    for (const number of await namesIn(this.#instances)) {
      const path = join(this.#instances, number);
      const directory = join(path, "journal");
      const isLeft = (await namesIn(directory)).some((name) => name.endsWith(".journal")) && !(await isLocked(path));
      const lock = isLeft ? tryLock(path) : undefined;
      if (lock !== undefined) return { instance: instanceName(path), directory, release: () => lock.release() };
    }
    return undefined;
  }

  /**
   * The key under which the secrets of keys are digested; made on the first start. Who loses it loses every key.
   * Of several processes that start at once on one directory, all get the same.
   */
  async pepper(): Promise<KeyObject> {
    if ((await readSecret(this.#pepperFile)) === undefined) await createSecret(this.#pepperFile, new Secret(randomBytes(32).toString("base64url")));
    const text = (await readSecret(this.#pepperFile))!.reveal();
    return createSecretKey(text, "utf8");
  }

  /** The key under which credentials for vendors are encrypted: the one given, or the one of a file that is made when it is first needed. Who loses it loses them. */
  async credentialKey(given: string | undefined): Promise<Secret> {
    if ((await this.findCredentialKey(given)) === undefined) await createSecret(this.#credentialKeyFile, new Secret(randomBytes(32).toString("base64url")));
    return (await this.findCredentialKey(given))!;
  }

  /** Likewise, undefined where there is none. */
  async findCredentialKey(given: string | undefined): Promise<Secret | undefined> {
    return given !== undefined && given !== "" ? checkedKey(given) : readSecret(this.#credentialKeyFile);
  }

  async writeAddress(address: string): Promise<void> {
    await writeFile(this.addressFile, `${address}\n`, { mode: 0o600 });
  }

  /** Unless another process has written its own meanwhile. */
  async forgetAddress(address: string): Promise<void> {
    const known = await readFile(this.addressFile, "utf8").catch(() => undefined);
    if (known?.trim() === address) await rm(this.addressFile, { force: true });
  }
}

function checkedKey(text: string): Secret {
  if (text.length < 43 || new Set(text).size < 8) throw new GatewayError("INVALID_REQUEST", "WEIR_CREDENTIAL_KEY can be guessed: take 64 characters from `openssl rand -hex 32`.");
  return new Secret(text);
}

function instanceName(path: string): string {
  return `${hostname().slice(0, 48)}/${basename(path)}`;
}

/** Undefined when another process has been faster. */
function tryLock(path: string): DirectoryLock | undefined {
  try {
    return lockDirectory(path);
  } catch (error) {
    if (error instanceof GatewayError && error.reason === "ALREADY_EXISTS") return undefined;
    throw error;
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

async function instanceId(file: string): Promise<string> {
  const known = (await readFile(file, "utf8").catch(() => "")).trim();
  if (known !== "") return known;
  const id = randomBytes(12).toString("hex");
  await writeFile(file, `${id}\n`, { mode: 0o600 });
  return id;
}

/** The secret in the file, or undefined when there is no such file. */
export async function readSecret(file: string): Promise<Secret | undefined> {
  try {
    return new Secret((await readFile(file, "utf8")).trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Writes the secret for the owner of the file alone; after a crash the file has it whole or not at all. */
export async function writeSecret(file: string, secret: Secret): Promise<void> {
  await rename(await writeUnfinished(file, secret), file);
}

/** As `writeSecret`, unless there is such a file already: then that one stays. */
async function createSecret(file: string, secret: Secret): Promise<void> {
  const unfinished = await writeUnfinished(file, secret);
  try {
    // A rename would replace what another process has made meanwhile; a link refuses.
    await link(unfinished, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(unfinished, { force: true });
  }
}

/** The name is nobody else's: several processes may write the same secret at once. */
async function writeUnfinished(file: string, secret: Secret): Promise<string> {
  const unfinished = `${file}.${randomBytes(6).toString("hex")}.new`;
  await using handle = await open(unfinished, "wx", 0o600);
  await handle.writeFile(`${secret.reveal()}\n`);
  await handle.sync();
  return unfinished;
}
