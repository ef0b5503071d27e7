/** Owns the keys of callers for whom others vouch: one for each caller in a team, made when the caller first comes. */
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { Role } from "#gen/weir/policy/v1/role_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { readGrant, selectKey, type KeyRow } from "./keys.ts";

export interface VouchedKey {
  /** Of a key that is not there yet. */
  readonly id: string;
  readonly issuer: string;
  readonly subject: string;
  /** By name or id, as the team. */
  readonly organization: string;
  readonly team: string;
  readonly role: Role;
  readonly createTime: Date;
}

/** The grant of the caller's key, which is made if need be; undefined when there is no such organization or team. */
export async function ensureVouchedKey(database: Queryable, key: VouchedKey): Promise<Grant | undefined> {
  const found = await findVouchedKey(database, key);
  const { organization, team } = key;
  if (found !== undefined && found.role === key.role) return readGrant(found);
  // Of two at once, the second changes nothing.
  await database.query(
    `INSERT INTO keys (id, organization_id, team_id, name, secret_prefix, role, labels, create_time, issuer, subject)
     SELECT $1, organizations.id, teams.id, left($3, 100), '', $6, '{}', $7, $2, $3
     FROM organizations JOIN teams ON teams.organization_id = organizations.id
     WHERE ${columnOf("organizations", organization)} = $4 AND ${columnOf("teams", team)} = $5
     ON CONFLICT (issuer, subject, team_id) WHERE issuer IS NOT NULL DO UPDATE SET role = excluded.role WHERE keys.role <> excluded.role`,
    [key.id, key.issuer, key.subject, organization, team, key.role, key.createTime],
  );
  const made = await findVouchedKey(database, key);
  return made && readGrant(made);
}

async function findVouchedKey(database: Queryable, { issuer, subject, organization, team }: VouchedKey): Promise<KeyRow | undefined> {
  const { rows } = await database.query<KeyRow>(
    `${selectKey} WHERE issuer = $1 AND subject = $2 AND ${columnOf("organizations", organization)} = $3 AND ${columnOf("teams", team)} = $4`,
    [issuer, subject, organization, team],
  );
  return rows[0];
}

/** Whoever gives an organization the name that is another's id must not pass for it. */
export function columnOf(table: "organizations" | "teams", nameOrId: string): string {
  return `${table}.${nameOrId.startsWith(table === "teams" ? "team_" : "org_") ? "id" : "name"}`;
}
