/** Owns the table of keys: read as keys for people, without the digest, and as grants for routing. */
import { create, fromJson, toJsonString, type JsonObject } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { GrantSchema, type Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { KeySchema, type Consistency, type Key } from "#gen/weir/policy/v1/key_pb.ts";
import type { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { ScopeSchema, type Scope } from "#gen/weir/policy/v1/scope_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import type { Tenant } from "../domain/reach.ts";
import { factsOf } from "../domain/roles.ts";

export interface NewKey {
  readonly id: string;
  readonly organizationId: string;
  readonly teamId: string;
  readonly name: string;
  readonly secretPrefix: string;
  readonly secretDigest: Uint8Array;
  readonly role: Role;
  /** Undefined when it is nobody's. */
  readonly memberId: string | undefined;
  readonly scope: Scope | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly createTime: Date;
  /** Undefined when it does not end. */
  readonly expireTime: Timestamp | undefined;
  readonly consistency: Consistency;
}

/** The team and the member, if there is one, must be of the organization. */
export async function insertKey(database: Queryable, key: NewKey): Promise<void> {
  await database.query(
    `INSERT INTO keys (id, organization_id, team_id, member_id, name, secret_prefix, secret_digest, role, scope, labels, create_time, expire_time, consistency)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
    [
      key.id,
      key.organizationId,
      key.teamId,
      key.memberId,
      key.name,
      key.secretPrefix,
      key.secretDigest,
      key.role,
      writeScope(key.scope),
      JSON.stringify(key.labels),
      key.createTime,
      key.expireTime && timestampDate(key.expireTime),
      key.consistency,
    ],
  );
}

/** Throws NOT_FOUND. */
export async function findKey(database: Queryable, id: string): Promise<Key> {
  const { rows } = await database.query<KeyRow>(`${selectKey} WHERE keys.id = $1`, [id]);
  return readKey(found(rows[0], id));
}

/** The key and its grant as they are, within the tenant, locked until the transaction ends. Throws NOT_FOUND. */
export async function lockKey(transaction: Queryable, id: string, { organizationId, teamId }: Tenant): Promise<{ readonly key: Key; readonly grant: Grant }> {
  const { rows } = await transaction.query<KeyRow>(
    `${selectKey} WHERE keys.id = $1 AND ($2 = '' OR keys.organization_id = $2) AND ($3 = '' OR keys.team_id = $3) FOR UPDATE OF keys`,
    [id, organizationId, teamId],
  );
  const row = found(rows[0], id);
  return { key: readKey(row), grant: readGrant(row) };
}

export async function findKeyByDigest(database: Queryable, secretDigest: Uint8Array): Promise<Key | undefined> {
  const { rows } = await database.query<KeyRow>(`${selectKey} WHERE secret_digest = $1`, [secretDigest]);
  return rows[0] && readKey(rows[0]);
}

/** Keys of one organization and team, or (empty) of all, newest first; one more than the page has, if there are more. */
export async function selectKeys(database: Queryable, organizationId: string, teamId: string, { size, after }: Page): Promise<Key[]> {
  // Ids sort by their time of birth, and every id stands before the tilde.
  const [id] = after ?? ["~"];
  const { rows } = await database.query<KeyRow>(
    `${selectKey} WHERE keys.id < $1 AND ($2 = '' OR keys.organization_id = $2) AND ($3 = '' OR keys.team_id = $3) ORDER BY keys.id DESC LIMIT $4`,
    [id, organizationId, teamId, size + 1],
  );
  return rows.map(readKey);
}

/** Writes what of a key can be changed. */
export async function updateKeyRow(database: Queryable, { id, name, scope, labels, expireTime, consistency }: Pick<Key, "id" | "name" | "scope" | "labels" | "expireTime" | "consistency">): Promise<void> {
  await database.query("UPDATE keys SET name = $2, scope = $3, labels = $4, expire_time = $5, consistency = $6 WHERE id = $1", [
    id,
    name,
    writeScope(scope),
    JSON.stringify(labels),
    expireTime && timestampDate(expireTime),
    consistency,
  ]);
}

export interface NewSecret {
  readonly secretPrefix: string;
  readonly secretDigest: Uint8Array;
  /** When the secret before it ends. */
  readonly previousExpireTime: Date;
}

export async function replaceSecret(database: Queryable, id: string, { secretPrefix, secretDigest, previousExpireTime }: NewSecret): Promise<void> {
  await database.query(
    "UPDATE keys SET secret_prefix = $2, secret_digest = $3, previous_secret_digest = secret_digest, previous_secret_expire_time = $4 WHERE id = $1",
    [id, secretPrefix, secretDigest, previousExpireTime],
  );
}

/** Revokes the key unless it is already. */
export async function revokeKeyById(database: Queryable, id: string, revokeTime: Date): Promise<void> {
  await database.query("UPDATE keys SET revoke_time = $2 WHERE id = $1 AND revoke_time IS NULL", [id, revokeTime]);
}

export async function findGrant(database: Queryable, keyId: string): Promise<Grant | undefined> {
  const { rows } = await database.query<KeyRow>(`${selectKey} WHERE keys.id = $1`, [keyId]);
  return rows[0] && readGrant(rows[0]);
}

/** By the digest of the present secret or the one before it. */
export async function findGrantByDigest(database: Queryable, secretDigest: Uint8Array): Promise<Grant | undefined> {
  return (await findKeyAndGrantByDigest(database, secretDigest))?.grant;
}

/** As `findGrantByDigest`, with the key. */
export async function findKeyAndGrantByDigest(database: Queryable, secretDigest: Uint8Array): Promise<{ readonly key: Key; readonly grant: Grant } | undefined> {
  const { rows } = await database.query<KeyRow>(`${selectKey} WHERE secret_digest = $1 OR previous_secret_digest = $1`, [secretDigest]);
  return rows[0] && { key: readKey(rows[0]), grant: readGrant(rows[0]) };
}

/** Notes uses; an older one than is known changes nothing, and of a key that there is not, nothing is noted. */
export async function insertKeyUses(database: Queryable, uses: readonly { readonly keyId: string; readonly useTime: Date }[]): Promise<void> {
  await database.query(
    `INSERT INTO key_uses (key_id, last_use_time)
     SELECT keys.id, max(use_time) FROM unnest($1::text[], $2::timestamptz[]) AS used (key_id, use_time) JOIN keys ON keys.id = used.key_id
     GROUP BY keys.id ORDER BY keys.id
     ON CONFLICT (key_id) DO UPDATE SET last_use_time = greatest(key_uses.last_use_time, excluded.last_use_time)`,
    [uses.map(({ keyId }) => keyId), uses.map(({ useTime }) => useTime)],
  );
}

/** Rows to be read as keys or as grants; a condition may follow. */
export const selectKey = `
  SELECT keys.*, coalesce(members.role, keys.role) AS role, last_use_time, coalesce(organizations.suspend_time, teams.suspend_time) IS NOT NULL AS is_suspended,
         EXISTS (
           SELECT FROM budgets WHERE budgets.organization_id = keys.organization_id AND budgets.delete_time IS NULL
             AND coalesce(budgets.team_id, keys.team_id) = keys.team_id AND coalesce(budgets.key_id, keys.id) = keys.id AND (budgets.member_id IS NULL OR budgets.member_id = keys.member_id)
         ) AS is_budgeted
  FROM keys
    JOIN organizations ON organizations.id = keys.organization_id
    JOIN teams ON teams.id = keys.team_id
    LEFT JOIN members ON members.id = keys.member_id
    LEFT JOIN key_uses ON key_uses.key_id = keys.id`;

function found(row: KeyRow | undefined, id: string): KeyRow {
  if (row !== undefined) return row;
  throw new GatewayError("NOT_FOUND", "There is no key of this id. ListKeys shows those there are.", { metadata: { kind: "key", id } });
}

export interface KeyRow {
  id: string;
  organization_id: string;
  team_id: string;
  name: string;
  secret_prefix: string;
  /** Null of a caller for whom others vouch. */
  secret_digest: Buffer | null;
  /** Of a member's key, the member's. */
  role: Role;
  member_id: string | null;
  is_suspended: boolean;
  is_budgeted: boolean;
  consistency: Consistency;
  scope: JsonObject;
  labels: Record<string, string>;
  create_time: Date;
  revoke_time: Date | null;
  expire_time: Date | null;
  previous_secret_digest: Buffer | null;
  previous_secret_expire_time: Date | null;
  last_use_time: Date | null;
  issuer: string | null;
  subject: string | null;
}

/** Without bounds it is an empty object. */
function writeScope(scope: Scope | undefined): string {
  return scope === undefined ? "{}" : toJsonString(ScopeSchema, scope);
}

function readScope(row: KeyRow): Scope | undefined {
  return Object.keys(row.scope).length === 0 ? undefined : fromJson(ScopeSchema, row.scope);
}

function timeOf(time: Date | null): Timestamp | undefined {
  return time === null ? undefined : timestampFromDate(time);
}

function readKey(row: KeyRow): Key {
  return create(KeySchema, {
    id: row.id,
    organizationId: row.organization_id,
    teamId: row.team_id,
    name: row.name,
    secretPrefix: row.secret_prefix,
    role: row.role,
    memberId: row.member_id ?? "",
    scope: readScope(row),
    labels: row.labels,
    createTime: timestampFromDate(row.create_time),
    revokeTime: timeOf(row.revoke_time),
    expireTime: timeOf(row.expire_time),
    previousSecretExpireTime: timeOf(row.previous_secret_expire_time),
    lastUseTime: timeOf(row.last_use_time),
    issuer: row.issuer ?? "",
    subject: row.subject ?? "",
    consistency: row.consistency,
  });
}

export function readGrant(row: KeyRow): Grant {
  const scope = readScope(row);
  const { permissions, reach } = factsOf(row.role);
  return create(GrantSchema, {
    keyId: row.id,
    teamId: row.team_id,
    organizationId: row.organization_id,
    permissions: [...permissions],
    reach,
    scopes: scope === undefined ? [] : [scope],
    labels: row.labels,
    secretDigest: row.secret_digest ?? new Uint8Array(),
    revoked: row.revoke_time !== null,
    suspended: row.is_suspended,
    memberId: row.member_id ?? "",
    budgeted: row.is_budgeted,
    consistency: row.consistency,
    expireTime: timeOf(row.expire_time),
    previousSecretDigest: row.previous_secret_digest ?? new Uint8Array(),
    previousSecretExpireTime: timeOf(row.previous_secret_expire_time),
  });
}
