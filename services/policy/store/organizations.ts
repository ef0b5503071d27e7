/** Owns the table of organizations. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { OrganizationSchema, type Organization } from "#gen/weir/policy/v1/organization_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { orTaken } from "#platform/database/unique-violation.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import type { Tenant } from "../domain/reach.ts";

export interface NewOrganization {
  readonly id: string;
  readonly name: string;
  readonly createTime: Date;
}

/** Throws ALREADY_EXISTS when the name is taken. */
export async function insertOrganization(database: Queryable, { id, name, createTime }: NewOrganization): Promise<Organization> {
  const { rows } = await database.query<OrganizationRow>(
    "INSERT INTO organizations (id, name, create_time) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING *",
    [id, name, createTime],
  );
  if (rows[0] === undefined) throw nameTaken(name);
  return readOrganization(rows[0]);
}

/** Throws NOT_FOUND. */
export async function findOrganization(database: Queryable, id: string): Promise<Organization> {
  const { rows } = await database.query<OrganizationRow>("SELECT * FROM organizations WHERE id = $1", [id]);
  if (rows[0] !== undefined) return readOrganization(rows[0]);
  throw new GatewayError("NOT_FOUND", "There is no organization of this id. ListOrganizations shows those there are.", { metadata: { kind: "organization", id } });
}

/** Throws ALREADY_EXISTS when the name is taken. */
export async function renameOrganization(database: Queryable, id: string, name: string): Promise<void> {
  const update = database.query("UPDATE organizations SET name = $2 WHERE id = $1 AND NOT EXISTS (SELECT FROM organizations WHERE name = $2 AND id <> $1)", [id, name]);
  const { rowCount } = await update.catch(orTaken(() => nameTaken(name)));
  if (rowCount === 1) return;
  await findOrganization(database, id);
  throw nameTaken(name);
}

/** Suspends it since then, unless it is already; undefined resumes it. */
export async function suspendOrganization(database: Queryable, id: string, suspendTime: Date | undefined): Promise<void> {
  await database.query("UPDATE organizations SET suspend_time = CASE WHEN $2::timestamptz IS NULL THEN NULL ELSE coalesce(suspend_time, $2) END WHERE id = $1", [id, suspendTime]);
}

function nameTaken(name: string): GatewayError {
  return new GatewayError("ALREADY_EXISTS", `An organization named "${name}" exists already. Choose another name, or use that one.`, { metadata: { kind: "organization", name } });
}

/** The id of the organization of this name, which is created if need be and stays locked until the transaction ends. */
export async function ensureOrganization(database: Queryable, organization: NewOrganization): Promise<string> {
  await database.query("INSERT INTO organizations (id, name, create_time) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING", [
    organization.id,
    organization.name,
    organization.createTime,
  ]);
  const { rows } = await database.query<OrganizationRow>("SELECT * FROM organizations WHERE name = $1 FOR NO KEY UPDATE", [organization.name]);
  return rows[0]!.id;
}

/** Organizations by name, within the tenant; one more than the page has, if there are more. */
export async function selectOrganizations(database: Queryable, { organizationId }: Tenant, { size, after }: Page): Promise<Organization[]> {
  // No name is empty, so the empty one stands before them all.
  const [name, id] = after ?? ["", ""];
  const { rows } = await database.query<OrganizationRow>(
    "SELECT * FROM organizations WHERE (name, id) > ($1, $2) AND ($3 = '' OR id = $3) ORDER BY name, id LIMIT $4",
    [name, id, organizationId, size + 1],
  );
  return rows.map(readOrganization);
}

interface OrganizationRow {
  id: string;
  name: string;
  create_time: Date;
  suspend_time: Date | null;
}

function readOrganization({ id, name, create_time, suspend_time }: OrganizationRow): Organization {
  return create(OrganizationSchema, { id, name, createTime: timestampFromDate(create_time), ...(suspend_time && { suspendTime: timestampFromDate(suspend_time) }) });
}
