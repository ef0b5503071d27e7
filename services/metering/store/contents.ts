/** Owns the rows of what calls said, and of the keys under which they are encrypted. */
import type { Queryable } from "#platform/database/database.ts";

export interface WrappedKey {
  readonly version: number;
  readonly wrapped: Buffer;
}

export interface SealedContent {
  readonly record_time: Date;
  readonly key_version: number;
  readonly sealed: Buffer;
}

/** The organization's key in use; undefined when there is none. It is not destroyed before the transaction ends. */
export async function holdKey(transaction: Queryable, organizationId: string): Promise<WrappedKey | undefined> {
  const { rows } = await transaction.query<WrappedKey>("select version, wrapped from content_keys where organization_id = $1 and wrapped is not null for share", [organizationId]);
  return rows[0];
}

/** The version that comes next, for whoever makes it alone until the transaction ends. */
export async function nextKeyVersion(transaction: Queryable, organizationId: string): Promise<number> {
  await transaction.query("select pg_advisory_xact_lock(hashtextextended('weir content key ' || $1, 0))", [organizationId]);
  const { rows } = await transaction.query<{ version: number }>("select coalesce(max(version), 0) + 1 as version from content_keys where organization_id = $1", [organizationId]);
  return rows[0]!.version;
}

export async function insertKey(transaction: Queryable, organizationId: string, { version, wrapped }: WrappedKey): Promise<void> {
  await transaction.query("insert into content_keys (organization_id, version, wrapped) values ($1, $2, $3)", [organizationId, version, wrapped]);
}

/** Returns false when the call is kept already. */
export async function insertContent(transaction: Queryable, organizationId: string, callId: string, keyVersion: number, sealed: Buffer): Promise<boolean> {
  const { rowCount } = await transaction.query("insert into contents (organization_id, call_id, key_version, sealed) values ($1, $2, $3, $4) on conflict do nothing", [organizationId, callId, keyVersion, sealed]);
  return rowCount === 1;
}

/** With the key, if that is not destroyed. */
export async function selectContent(queryable: Queryable, organizationId: string, callId: string): Promise<(SealedContent & { readonly wrapped: Buffer | null }) | undefined> {
  const { rows } = await queryable.query<SealedContent & { wrapped: Buffer | null }>(
    `select contents.record_time, key_version, sealed, wrapped from contents join content_keys on content_keys.organization_id = contents.organization_id and version = key_version
     where contents.organization_id = $1 and call_id = $2`,
    [organizationId, callId],
  );
  return rows[0];
}

/** Destroys the keys; what they sealed is unreadable, and goes when its time is over. Returns of how many calls. */
export async function destroyKeys(queryable: Queryable, organizationId: string): Promise<bigint> {
  const { rows } = await queryable.query<{ calls: bigint }>(
    `with destroyed as (update content_keys set wrapped = null, destroy_time = now() where organization_id = $1 and wrapped is not null returning version)
     select count(*) as calls from contents join destroyed on version = key_version where organization_id = $1`,
    [organizationId],
  );
  return rows[0]!.calls;
}

/** Takes away at most so many that are older; returns how many. */
export async function deleteOlderContents(queryable: Queryable, ageMs: number, limit: number): Promise<number> {
  const { rowCount } = await queryable.query(
    "delete from contents where ctid = any(array(select ctid from contents where record_time < now() - $1 * interval '1 millisecond' order by record_time limit $2))",
    [ageMs, limit],
  );
  return rowCount ?? 0;
}
