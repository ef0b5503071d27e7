/** Owns the data keys under which secrets are sealed: one for each organization and one for the installation, kept wrapped, gone with the last secret under it. */
import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { KeyWrapping, KeyWrappings } from "../domain/credentials/key-wrapping.ts";

const keyBytes = 32;

export class DataKeys {
  readonly #keys: KeyWrappings;
  /** By organization and wrapped bytes. */
  readonly #opened = new Map<string, KeyObject>();

  constructor(keys: KeyWrappings) {
    this.#keys = keys;
  }

  /** The key of this organization, or (empty) of the installation; made when there is none, and not erased before the transaction ends. */
  async hold(transaction: Queryable, organizationId: string): Promise<KeyObject> {
    const present = await selectForShare(transaction, organizationId);
    if (present !== undefined) return this.open(organizationId, present);
    const wrapped = await this.#wrap(randomBytes(keyBytes), organizationId);
    await transaction.query("INSERT INTO data_keys (organization_id, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING", [organizationId, wrapped]);
    // Another process may have been faster.
    const inserted = await selectForShare(transaction, organizationId);
    if (inserted !== undefined) return this.open(organizationId, inserted);
    throw new GatewayError("OVERLOADED", "The key under which the secret was to be stored was erased at this moment. Try again.", { retryAfterMs: 1_000 });
  }

  /** Rejects when it was wrapped under another key, or for another organization; with DEPENDENCY_UNAVAILABLE while that key cannot be asked. */
  async open(organizationId: string, wrapped: Buffer): Promise<KeyObject> {
    const name = `${organizationId} ${wrapped.toString("latin1")}`;
    const key = this.#opened.get(name) ?? createSecretKey(await this.#wrapperOf(wrapped).unwrap(wrapped.subarray(1), contextOf(organizationId)));
    this.#opened.set(name, key);
    return key;
  }

  /** Wraps those anew that another key than the present one has wrapped, or an earlier version of it; the others of which it is not known stay. */
  async rewrap(database: Queryable): Promise<void> {
    const { rows } = await database.query<{ organization_id: string; wrapped: Buffer }>("SELECT organization_id, wrapped FROM data_keys");
    for (const { organization_id: organizationId, wrapped } of rows) {
      const key = await this.open(organizationId, wrapped).catch(unlessUnavailable);
      if (key === undefined) continue;
      const again = await this.#wrap(key.export(), organizationId);
      if (this.#versionOf(again) !== this.#versionOf(wrapped)) await database.query("UPDATE data_keys SET wrapped = $3 WHERE organization_id = $1 AND wrapped = $2", [organizationId, wrapped, again]);
    }
  }

  async #wrap(dataKey: Buffer, organizationId: string): Promise<Buffer> {
    const [present] = this.#keys;
    return Buffer.concat([Buffer.from([present.form]), await present.wrap(dataKey, contextOf(organizationId))]);
  }

  #wrapperOf(wrapped: Buffer): KeyWrapping {
    const key = this.#keys.find(({ form }) => form === wrapped[0]);
    if (key === undefined) throw new Error("the data key was wrapped under a key that this process does not have");
    return key;
  }

  #versionOf(wrapped: Buffer): string {
    return `${wrapped[0]} ${this.#wrapperOf(wrapped).versionOf(wrapped.subarray(1))}`;
  }

  /** Forgets what was opened of all others. */
  keepOnly(inUse: ReadonlySet<KeyObject>): void {
    for (const [name, key] of this.#opened) if (!inUse.has(key)) this.#opened.delete(name);
  }
}

/** Keeps the key of the organization, or (empty) of the installation, from being taken for a new secret until the transaction ends. */
export async function lockDataKey(transaction: Queryable, organizationId: string): Promise<void> {
  await transaction.query("SELECT FROM data_keys WHERE organization_id = $1 FOR UPDATE", [organizationId]);
}

/** Erases the key that was locked if no credential is left: what it sealed is then unreadable, in each copy of the database without the key's row. */
export async function eraseUnusedDataKey(transaction: Queryable, organizationId: string): Promise<void> {
  await transaction.query("DELETE FROM data_keys WHERE organization_id = $1 AND NOT EXISTS (SELECT FROM credentials WHERE organization_id = $1)", [organizationId]);
}

async function selectForShare(transaction: Queryable, organizationId: string): Promise<Buffer | undefined> {
  const { rows } = await transaction.query<{ wrapped: Buffer }>("SELECT wrapped FROM data_keys WHERE organization_id = $1 FOR SHARE", [organizationId]);
  return rows[0]?.wrapped;
}

function unlessUnavailable(error: unknown): undefined {
  if (isUnavailable(error)) throw error;
}

/** Whether a key could not be asked; any other error says that it does not fit. */
export function isUnavailable(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.reason === "DEPENDENCY_UNAVAILABLE";
}

function contextOf(organizationId: string): string {
  return organizationId === "" ? "data key of the installation" : `data key of ${organizationId}`;
}
