/** Owns the table of teams. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { TeamSchema, type Team } from "#gen/weir/policy/v1/team_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { orTaken } from "#platform/database/unique-violation.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import type { Tenant } from "../domain/reach.ts";
import { findOrganization } from "./organizations.ts";

export interface NewTeam {
  readonly id: string;
  readonly organizationId: string;
  readonly name: string;
  readonly createTime: Date;
}

/** Throws NOT_FOUND when there is no such organization, ALREADY_EXISTS when the name is taken in it. */
export async function insertTeam(database: Queryable, { id, organizationId, name, createTime }: NewTeam): Promise<Team> {
  const { rows } = await database.query<TeamRow>(
    `INSERT INTO teams (id, organization_id, name, create_time)
     SELECT $1, organizations.id, $3, $4 FROM organizations WHERE organizations.id = $2
     ON CONFLICT (organization_id, name) DO NOTHING RETURNING *`,
    [id, organizationId, name, createTime],
  );
  if (rows[0] !== undefined) return readTeam(rows[0]);
  await findOrganization(database, organizationId);
  throw nameTaken(name);
}

/** Within the tenant. Throws NOT_FOUND. */
export async function findTeam(database: Queryable, id: string, { organizationId, teamId }: Tenant): Promise<Team> {
  const { rows } = await database.query<TeamRow>("SELECT * FROM teams WHERE id = $1 AND ($2 = '' OR organization_id = $2) AND ($3 = '' OR id = $3)", [id, organizationId, teamId]);
  if (rows[0] !== undefined) return readTeam(rows[0]);
  throw new GatewayError("NOT_FOUND", "There is no team of this id that this key may change. ListTeams shows those there are.", { metadata: { kind: "team", id } });
}

/** Throws ALREADY_EXISTS when the name is taken in the organization. */
export async function renameTeam(database: Queryable, { id, organizationId }: Team, name: string): Promise<void> {
  const update = database.query("UPDATE teams SET name = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM teams WHERE organization_id = $3 AND name = $2 AND id <> $1)", [id, name, organizationId]);
  const { rowCount } = await update.catch(orTaken(() => nameTaken(name)));
  if (rowCount !== 1) throw nameTaken(name);
}

/** Suspends it since then, unless it is already; undefined resumes it. */
export async function suspendTeam(database: Queryable, id: string, suspendTime: Date | undefined): Promise<void> {
  await database.query("UPDATE teams SET suspend_time = CASE WHEN $2::timestamptz IS NULL THEN NULL ELSE coalesce(suspend_time, $2) END WHERE id = $1", [id, suspendTime]);
}

function nameTaken(name: string): GatewayError {
  return new GatewayError("ALREADY_EXISTS", `The organization has a team named "${name}" already. Choose another name, or use that one.`, { metadata: { kind: "team", name } });
}

/** The id of the team of this name in the organization, which is created if need be. */
export async function ensureTeam(database: Queryable, team: NewTeam): Promise<string> {
  const { id, organizationId, name, createTime } = team;
  await database.query("INSERT INTO teams (id, organization_id, name, create_time) VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, name) DO NOTHING", [
    id,
    organizationId,
    name,
    createTime,
  ]);
  const { rows } = await database.query<TeamRow>("SELECT * FROM teams WHERE organization_id = $1 AND name = $2", [organizationId, name]);
  return rows[0]!.id;
}

/** Teams by name, of one organization or (empty) of all; one more than the page has, if there are more. */
export async function selectTeams(database: Queryable, organizationId: string, { size, after }: Page): Promise<Team[]> {
  // No name is empty, so the empty one stands before them all.
  const [name, id] = after ?? ["", ""];
  const { rows } = await database.query<TeamRow>(
    "SELECT * FROM teams WHERE (name, id) > ($1, $2) AND ($3 = '' OR organization_id = $3) ORDER BY name, id LIMIT $4",
    [name, id, organizationId, size + 1],
  );
  return rows.map(readTeam);
}

interface TeamRow {
  id: string;
  organization_id: string;
  name: string;
  create_time: Date;
  suspend_time: Date | null;
}

function readTeam({ id, organization_id, name, create_time, suspend_time }: TeamRow): Team {
  return create(TeamSchema, { id, organizationId: organization_id, name, createTime: timestampFromDate(create_time), ...(suspend_time && { suspendTime: timestampFromDate(suspend_time) }) });
}
