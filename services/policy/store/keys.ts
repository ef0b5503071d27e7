/** Owns the table of keys: read as keys for people, without the digest, and as grants for routing. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { GrantSchema, KeySchema, type Grant, type Key, type KeyRole } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import { permissionsOf } from "../domain/roles.ts";

export interface NewKey {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
  readonly secretPrefix: string;
  readonly secretDigest: Uint8Array;
  readonly role: KeyRole;
  readonly allowedModels: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly createTime: Date;
}

/** Throws NOT_FOUND when there is no such team. */
export async function insertKey(database: Queryable, key: NewKey): Promise<Key> {
  const { rows } = await database.query<KeyRow>(
    `INSERT INTO keys (id, organization_id, team_id, name, secret_prefix, secret_digest, role, allowed_models, labels, create_time)
     SELECT $1, teams.organization_id, teams.id, $3, $4, $5, $6, $7, $8, $9 FROM teams WHERE teams.id = $2 RETURNING *`,
    [key.id, key.teamId, key.name, key.secretPrefix, key.secretDigest, key.role, key.allowedModels, JSON.stringify(key.labels), key.createTime],
  );
  if (rows[0] === undefined) {
    throw new GatewayError("NOT_FOUND", "There is no team of this id. ListTeams shows those there are.", { metadata: { kind: "team", id: key.teamId } });
  }
  return readKey(rows[0]);
}

export async function findKey(database: Queryable, id: string): Promise<Key | undefined> {
  const { rows } = await database.query<KeyRow>("SELECT * FROM keys WHERE id = $1", [id]);
  return rows[0] && readKey(rows[0]);
}

export async function findKeyByDigest(database: Queryable, secretDigest: Uint8Array): Promise<Key | undefined> {
  const { rows } = await database.query<KeyRow>("SELECT * FROM keys WHERE secret_digest = $1", [secretDigest]);
  return rows[0] && readKey(rows[0]);
}

/** Keys of one organization and team, or (empty) of all, newest first; one more than the page has, if there are more. */
export async function selectKeys(database: Queryable, organizationId: string, teamId: string, { size, after }: Page): Promise<Key[]> {
  // Ids sort by their time of birth, and every id stands before the tilde.
  const [id] = after ?? ["~"];
  const { rows } = await database.query<KeyRow>(
    "SELECT * FROM keys WHERE id < $1 AND ($2 = '' OR organization_id = $2) AND ($3 = '' OR team_id = $3) ORDER BY id DESC LIMIT $4",
    [id, organizationId, teamId, size + 1],
  );
  return rows.map(readKey);
}

/** Revokes the key unless it is already; undefined when there is none. */
export async function revokeKeyById(database: Queryable, id: string, revokeTime: Date): Promise<Key | undefined> {
  await database.query("UPDATE keys SET revoke_time = $2 WHERE id = $1 AND revoke_time IS NULL", [id, revokeTime]);
  return findKey(database, id);
}

export async function findGrantByDigest(database: Queryable, secretDigest: Uint8Array): Promise<Grant | undefined> {
  const { rows } = await database.query<KeyRow>("SELECT * FROM keys WHERE secret_digest = $1", [secretDigest]);
  return rows[0] && readGrant(rows[0]);
}

export interface KeyRow {
  id: string;
  organization_id: string;
  team_id: string;
  name: string;
  secret_prefix: string;
  secret_digest: Buffer;
  role: KeyRole;
  allowed_models: string[];
  labels: Record<string, string>;
  create_time: Date;
  revoke_time: Date | null;
}

function readKey(row: KeyRow): Key {
  return create(KeySchema, {
    id: row.id,
    organizationId: row.organization_id,
    teamId: row.team_id,
    name: row.name,
    secretPrefix: row.secret_prefix,
    role: row.role,
    allowedModels: row.allowed_models,
    labels: row.labels,
    createTime: timestampFromDate(row.create_time),
    ...(row.revoke_time === null ? {} : { revokeTime: timestampFromDate(row.revoke_time) }),
  });
}

export function readGrant(row: KeyRow): Grant {
  return create(GrantSchema, {
    keyId: row.id,
    teamId: row.team_id,
    organizationId: row.organization_id,
    permissions: [...permissionsOf(row.role)],
    allowedModels: row.allowed_models,
    labels: row.labels,
    secretDigest: row.secret_digest,
    revoked: row.revoke_time !== null,
  });
}
