/** Owns the stored credentials as they stand now: opened when a provider first takes them, read again whenever they change, whoever changed them. */
import type { KeyObject } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { PoolClient } from "pg";
import type { Clock } from "#platform/clock.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { StoredSecret, StoredSecrets } from "../domain/credentials/credential-pool.ts";
import type { KeyWrappings } from "../domain/credentials/key-wrapping.ts";
import { noteRefusal, selectSealed, type SealedCredential, type SealedSecret } from "./credentials.ts";
import { DataKeys, isUnavailable } from "./data-keys.ts";
import { openSecret, sealSecret, type SecretPlace } from "./secret-box.ts";

export interface CredentialStore {
  /** Opens the schema of providers, migrated; whoever opened it closes it. */
  openDatabase(): Promise<Database>;
  /** The keys under which they are encrypted. */
  openKeys(): Promise<KeyWrappings>;
}

export interface StoredCredentialsOptions {
  /** Undefined in a process without a database. */
  readonly store: CredentialStore | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

// A connection can die without a word; asking now and then finds out.
const probeIntervalMs = 5_000;
const retryMs = 500;
/** Of a shorter secret nothing is shown. */
const shortestHinted = 16;
const hintLength = 4;

export class StoredCredentials implements StoredSecrets {
  readonly #options: StoredCredentialsOptions;
  readonly #stopping = new AbortController();
  #database: Promise<Database> | undefined;
  #opening: Promise<Opened> | undefined;
  #following: Promise<void> | undefined;
  /** By provider and organization, which is empty for the installation's. */
  #byOwner: ReadonlyMap<string, ReadonlyMap<string, readonly StoredSecret[]>> = new Map();
  /** By row and sealed bytes, so that the same secret stays the same object. */
  #secrets = new Map<string, Secret>();

  constructor(options: StoredCredentialsOptions) {
    this.#options = options;
  }

  of(provider: string, organizationId: string): readonly StoredSecret[] | undefined {
    return this.#byOwner.get(provider)?.get(organizationId);
  }

  refused({ credentialId, formerUntilMs }: StoredSecret): void {
    if (formerUntilMs === undefined) this.#note(credentialId, new Date(this.#options.clock.now()));
  }

  accepted({ credentialId, formerUntilMs, refusedAtMs }: StoredSecret): void {
    if (formerUntilMs === undefined && refusedAtMs !== undefined) this.#note(credentialId, undefined);
  }

  /** The schema of providers. Throws DEPENDENCY_UNAVAILABLE while the database is down, INVALID_REQUEST in a process without one. */
  database(): Promise<Database> {
    this.#database ??= this.#store.openDatabase().catch((error: unknown) => {
      this.#database = undefined;
      throw error;
    });
    return this.#database;
  }

  /** The secret as its row has it, to be written in this transaction. */
  async seal(transaction: Queryable, secret: Secret, place: SecretPlace): Promise<SealedSecret> {
    const { keys, dataKeys } = await this.#open();
    const text = secret.reveal();
    const dataKey = await dataKeys.hold(transaction, place.organizationId);
    return { sealed: sealSecret(secret, place, dataKey), hint: text.length < shortestHinted ? "" : text.slice(-hintLength), fingerprint: await keys[0].fingerprint(secret) };
  }

  /** Resolves when those of now are here; from then on changes are followed. */
  async follow(): Promise<void> {
    const opened = await this.#open();
    if (this.#following !== undefined) return;
    await opened.dataKeys.rewrap(opened.database);
    await this.#load(opened);
    this.#following ??= this.#run(opened);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#following;
    await (await this.#database?.catch(() => undefined))?.close();
  }

  get #store(): CredentialStore {
    const { store } = this.#options;
    if (store !== undefined) return store;
    throw new GatewayError("INVALID_REQUEST", "Credentials cannot be stored: this process of providers has no database. Set WEIR_DATABASE_URL for it, to the database of the other services.");
  }

  #open(): Promise<Opened> {
    const store = this.#store;
    this.#opening ??= Promise.all([this.database(), store.openKeys()]).then(
      ([database, keys]) => ({ database, keys, dataKeys: new DataKeys(keys) }),
      (error: unknown) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  async #run(opened: Opened): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#listen(opened);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.warn({ error, retryInMs: retryMs }, "changes of stored credentials cannot be followed; those that are known serve on");
        await pause(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Over one connection, until it breaks (throws) or the store stops. */
  async #listen(opened: Opened): Promise<void> {
    const client = await opened.database.pool.connect();
    const bell = new Ringing(client, this.#stopping.signal);
    try {
      await client.query("LISTEN weir_providers_credentials");
      // What changed while nobody listened is not known.
      await this.#load(opened);
      while (!this.#stopping.signal.aborted) {
        if (await bell.wait(probeIntervalMs)) await this.#load(opened);
        else await client.query("SELECT 1");
      }
    } finally {
      bell.end();
      // Not given back to the pool: whoever gets a connection must not listen.
      client.release(true);
    }
  }

  /** Takes over what can be opened. Throws DEPENDENCY_UNAVAILABLE when a key cannot be asked about the rest. */
  async #load({ database, keys, dataKeys }: Opened): Promise<void> {
    const reading: Reading = { keys, dataKeys, secrets: new Map(), unavailable: undefined };
    const keysInUse = new Set<KeyObject>();
    const byOwner = new Map<string, Map<string, StoredSecret[]>>();
    for (const row of await selectSealed(database)) {
      const { id: credentialId, organizationId, provider, weight } = row;
      const list = listOf(byOwner, provider, organizationId);
      if (!row.isEnabled) continue;
      const dataKey = await this.#dataKeyOf(row, reading);
      if (dataKey !== undefined) keysInUse.add(dataKey);
      const present = await this.#opened(row, row.secret, dataKey, reading);
      const former = row.formerSecret && (await this.#opened(row, row.formerSecret, dataKey, reading));
      if (present !== undefined) list.push({ credentialId, secret: present, weight, formerUntilMs: undefined, refusedAtMs: row.refuseTime?.getTime() });
      if (former !== undefined) list.push({ credentialId, secret: former, weight, formerUntilMs: row.formerExpireTime!.getTime(), refusedAtMs: undefined });
    }
    this.#secrets = reading.secrets;
    this.#byOwner = byOwner;
    dataKeys.keepOnly(keysInUse);
    if (reading.unavailable !== undefined) throw reading.unavailable;
  }

  async #dataKeyOf({ organizationId, wrappedDataKey }: SealedCredential, reading: Reading): Promise<KeyObject | undefined> {
    // Who could not be asked about one is not asked about the next.
    if (wrappedDataKey === undefined || reading.unavailable !== undefined) return undefined;
    try {
      return await reading.dataKeys.open(organizationId, wrappedDataKey);
    } catch (error) {
      if (isUnavailable(error)) reading.unavailable = error;
      // What is sealed under it is then told of, one by one.
      return undefined;
    }
  }

  async #opened({ id, organizationId, provider }: SealedCredential, sealed: Buffer, dataKey: KeyObject | undefined, { keys, secrets, unavailable }: Reading): Promise<Secret | undefined> {
    const name = `${id} ${sealed.toString("latin1")}`;
    try {
      const secret = this.#secrets.get(name) ?? (await openSecret(sealed, { organizationId, credentialId: id }, dataKey, keys));
      secrets.set(name, secret);
      return secret;
    } catch {
      if (unavailable !== undefined) return undefined;
      this.#options.logger.error({ credentialId: id, provider }, "a stored credential cannot be read: it was stored under another key (credential-key, WEIR_CREDENTIAL_KEY, vault.transit), or changed in the database");
      return undefined;
    }
  }

  #note(credentialId: string, refuseTime: Date | undefined): void {
    const isRefused = refuseTime !== undefined;
    this.#options.logger.warn({ credentialId, isRefused }, isRefused ? "a vendor refused a stored credential; it is left alone for five minutes" : "a vendor took a stored credential again that it had refused");
    this.database()
      .then((database) => noteRefusal(database, credentialId, refuseTime))
      .catch((error: unknown) => this.#options.logger.warn({ credentialId, error }, "how a vendor took a stored credential could not be noted"));
  }
}

interface Opened {
  readonly database: Database;
  readonly keys: KeyWrappings;
  readonly dataKeys: DataKeys;
}

/** One reading of all of them. */
interface Reading extends Pick<Opened, "keys" | "dataKeys"> {
  /** Those that are open. */
  readonly secrets: Map<string, Secret>;
  /** Why a key could not be asked. */
  unavailable: GatewayError | undefined;
}

/** The list of an owner, made when there is none: whoever has stored something, and be it turned off, uses no others. */
function listOf(byOwner: Map<string, Map<string, StoredSecret[]>>, provider: string, organizationId: string): StoredSecret[] {
  const owners = byOwner.get(provider) ?? new Map<string, StoredSecret[]>();
  byOwner.set(provider, owners);
  const list = owners.get(organizationId) ?? [];
  owners.set(organizationId, list);
  return list;
}

/** Waits for what a connection is told. */
class Ringing {
  readonly #signal: AbortSignal;
  #failure: Error | undefined;
  #hasRung = false;
  #wake = (): void => undefined;

  constructor(client: PoolClient, signal: AbortSignal) {
    this.#signal = signal;
    client.on("notification", this.#onNotification).on("error", this.#onError);
    signal.addEventListener("abort", this.#onAbort);
  }

  /** True when it was told something since the last wait, false when the time passed. Throws when the connection broke. */
  async wait(timeoutMs: number): Promise<boolean> {
    if (!this.#hasRung && this.#failure === undefined && !this.#signal.aborted) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
    }
    if (this.#failure !== undefined) throw this.#failure;
    const hasRung = this.#hasRung;
    this.#hasRung = false;
    return hasRung;
  }

  end(): void {
    this.#signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onNotification = (): void => {
    this.#hasRung = true;
    this.#wake();
  };

  readonly #onError = (error: Error): void => {
    this.#failure = error;
    this.#wake();
  };

  readonly #onAbort = (): void => this.#wake();
}
