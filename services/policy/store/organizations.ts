/** Owns the table of organizations. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { OrganizationSchema, type Organization } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";

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
  if (rows[0] === undefined) {
    throw new GatewayError("ALREADY_EXISTS", `An organization named "${name}" exists already. Choose another name, or use that one.`, {
      metadata: { kind: "organization", name },
    });
  }
  return readOrganization(rows[0]);
}

export async function findOrganization(database: Queryable, id: string): Promise<Organization | undefined> {
  const { rows } = await database.query<OrganizationRow>("SELECT * FROM organizations WHERE id = $1", [id]);
  return rows[0] && readOrganization(rows[0]);
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

/** Organizations by name; one more than the page has, if there are more. */
export async function selectOrganizations(database: Queryable, { size, after }: Page): Promise<Organization[]> {
  // No name is empty, so the empty one stands before them all.
  const [name, id] = after ?? ["", ""];
  const { rows } = await database.query<OrganizationRow>(
    "SELECT * FROM organizations WHERE (name, id) > ($1, $2) ORDER BY name, id LIMIT $3",
    [name, id, size + 1],
  );
  return rows.map(readOrganization);
}

interface OrganizationRow {
  id: string;
  name: string;
  create_time: Date;
}

function readOrganization({ id, name, create_time }: OrganizationRow): Organization {
  return create(OrganizationSchema, { id, name, createTime: timestampFromDate(create_time) });
}
