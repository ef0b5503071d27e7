/** Owns the table of sessions at the console. */
import type { Queryable } from "#platform/database/database.ts";
import type { Claims } from "../domain/caller-rules.ts";
import { longestIdleMs, mostSessionsOfKey, noteUseEveryMs } from "../domain/session-terms.ts";

/** Who opened it: the holder of a key's secret, or a person for whom an issuer vouches. */
export type SessionOpener = { readonly keySecretDigest: Uint8Array } | { readonly claims: Claims };

export interface StoredSession {
  readonly id: string;
  readonly opener: SessionOpener;
  readonly createTime: Date;
  readonly expireTime: Date;
}

export interface NewSession extends StoredSession {
  readonly secretDigest: Uint8Array;
  readonly keyId: string;
}

/** Puts it in the place of those that are over, and of the key's own beyond their bound. */
export async function insertSession(transaction: Queryable, { id, secretDigest, keyId, opener, createTime, expireTime }: NewSession): Promise<void> {
  await transaction.query("DELETE FROM sessions WHERE expire_time <= $1 OR use_time <= $2", [createTime, idleSince(createTime)]);
  await transaction.query("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE key_id = $1 ORDER BY use_time DESC, id DESC OFFSET $2)", [keyId, mostSessionsOfKey - 1]);
  await transaction.query(
    `INSERT INTO sessions (id, secret_digest, key_id, key_secret_digest, claims, create_time, use_time, expire_time)
     VALUES ($1, $2, $3, $4, $5, $6, $6, $7)`,
    [id, secretDigest, keyId, "claims" in opener ? null : opener.keySecretDigest, "claims" in opener ? JSON.stringify(opener.claims) : null, createTime, expireTime],
  );
}

/** The session, which is used now; undefined when it is over, or never was. */
export async function useSession(database: Queryable, secretDigest: Uint8Array, now: Date): Promise<StoredSession | undefined> {
  const { rows } = await database.query<SessionRow>("SELECT * FROM sessions WHERE secret_digest = $1 AND expire_time > $2 AND use_time > $3", [secretDigest, now, idleSince(now)]);
  const row = rows[0];
  if (row === undefined) return undefined;
  if (now.getTime() - row.use_time.getTime() >= noteUseEveryMs) await database.query("UPDATE sessions SET use_time = greatest(use_time, $2) WHERE id = $1", [row.id, now]);
  return readSession(row);
}

/** Ends the session, if it is not over. */
export async function deleteSessionById(database: Queryable, id: string): Promise<void> {
  await database.query("DELETE FROM sessions WHERE id = $1", [id]);
}

interface SessionRow {
  id: string;
  key_secret_digest: Buffer | null;
  claims: Claims | null;
  create_time: Date;
  use_time: Date;
  expire_time: Date;
}

function readSession({ id, key_secret_digest, claims, create_time, expire_time }: SessionRow): StoredSession {
  return { id, opener: claims === null ? { keySecretDigest: key_secret_digest! } : { claims }, createTime: create_time, expireTime: expire_time };
}

function idleSince(now: Date): Date {
  return new Date(now.getTime() - longestIdleMs);
}
