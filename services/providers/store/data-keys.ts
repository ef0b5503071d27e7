/** Owns the data keys under which secrets are sealed: one for each organization and one for the installation, kept wrapped, gone with the last secret under it. */
import { createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { KeyWrapping } from "../domain/key-wrapping.ts";

const keyBytes = 32;

export class DataKeys {
  readonly #wrapping: KeyWrapping;
  /** By organization and wrapped bytes. */
  readonly #opened = new Map<string, KeyObject>();

  constructor(wrapping: KeyWrapping) {
    this.#wrapping = wrapping;
  }

  /** The key of this organization, or (empty) of the installation; made when there is none, and not erased before the transaction ends. */
  async hold(transaction: Queryable, organizationId: string): Promise<KeyObject> {
    const present = await selectForShare(transaction, organizationId);
    if (present !== undefined) return this.open(organizationId, present);
    const wrapped = await this.#wrapping.wrap(randomBytes(keyBytes), contextOf(organizationId));
    await transaction.query("INSERT INTO data_keys (organization_id, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING", [organizationId, wrapped]);
    // Another process may have been faster.
    const inserted = await selectForShare(transaction, organizationId);
    if (inserted !== undefined) return this.open(organizationId, inserted);
    throw new GatewayError("OVERLOADED", "The key under which the secret was to be stored was erased at this moment. Try again.", { retryAfterMs: 1_000 });
  }

  /** Rejects when it was wrapped under another key, or for another organization. */
  async open(organizationId: string, wrapped: Buffer): Promise<KeyObject> {
    const name = `${organizationId} ${wrapped.toString("latin1")}`;
    const key = this.#opened.get(name) ?? createSecretKey(await this.#wrapping.unwrap(wrapped, contextOf(organizationId)));
    this.#opened.set(name, key);
    return key;
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

function contextOf(organizationId: string): string {
  return organizationId === "" ? "data key of the installation" : `data key of ${organizationId}`;
}
