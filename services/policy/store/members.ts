/** Owns the table of members. */
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { MemberSchema, type Member } from "#gen/weir/policy/v1/member_pb.ts";
import type { Role } from "#gen/weir/policy/v1/role_pb.ts";
import type { Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Page } from "../domain/page.ts";
import type { Tenant } from "../domain/reach.ts";
import { findOrganization } from "./organizations.ts";

export interface NewMember {
  readonly id: string;
  readonly organizationId: string;
  readonly email: string;
  readonly role: Role;
  readonly createTime: Date;
}

/** Throws NOT_FOUND when there is no such organization, ALREADY_EXISTS when the person is a member. */
export async function insertMember(database: Queryable, { id, organizationId, email, role, createTime }: NewMember): Promise<Member> {
  const { rows } = await database.query<MemberRow>(
    `INSERT INTO members (id, organization_id, email, role, create_time)
     SELECT $1, organizations.id, $3, $4, $5 FROM organizations WHERE organizations.id = $2
     ON CONFLICT (organization_id, email) WHERE delete_time IS NULL DO NOTHING RETURNING *`,
    [id, organizationId, email, role, createTime],
  );
  if (rows[0] !== undefined) return readMember(rows[0]);
  await findOrganization(database, organizationId);
  throw new GatewayError("ALREADY_EXISTS", `${email} is a member of the organization already. Change the role with UpdateMember.`, { metadata: { kind: "member", name: email } });
}

/** Members that were deleted are found, too: what was answered once is answered again. Throws NOT_FOUND. */
export async function findMember(database: Queryable, id: string): Promise<Member> {
  const { rows } = await database.query<MemberRow>("SELECT * FROM members WHERE id = $1", [id]);
  return readMember(found(rows[0], id));
}

/** The member, within the tenant, locked until the transaction ends. Throws NOT_FOUND. */
export async function lockMember(transaction: Queryable, id: string, { organizationId }: Tenant): Promise<Member> {
  const { rows } = await transaction.query<MemberRow>("SELECT * FROM members WHERE id = $1 AND delete_time IS NULL AND ($2 = '' OR organization_id = $2) FOR UPDATE", [id, organizationId]);
  return readMember(found(rows[0], id));
}

export async function updateMemberRole(database: Queryable, id: string, role: Role): Promise<void> {
  await database.query("UPDATE members SET role = $2 WHERE id = $1", [id, role]);
}

/** Deletes the member and revokes the member's keys. */
export async function deleteMemberById(database: Queryable, id: string, deleteTime: Date): Promise<void> {
  await database.query("UPDATE members SET delete_time = $2 WHERE id = $1", [id, deleteTime]);
  await database.query("UPDATE keys SET revoke_time = $2 WHERE member_id = $1 AND revoke_time IS NULL", [id, deleteTime]);
}

/** Members by email address, of one organization or (empty) of all; one more than the page has, if there are more. */
export async function selectMembers(database: Queryable, organizationId: string, { size, after }: Page): Promise<Member[]> {
  // No address is empty, so the empty one stands before them all.
  const [email, id] = after ?? ["", ""];
  const { rows } = await database.query<MemberRow>(
    "SELECT * FROM members WHERE delete_time IS NULL AND (email, id) > ($1, $2) AND ($3 = '' OR organization_id = $3) ORDER BY email, id LIMIT $4",
    [email, id, organizationId, size + 1],
  );
  return rows.map(readMember);
}

interface MemberRow {
  id: string;
  organization_id: string;
  email: string;
  role: Role;
  create_time: Date;
}

function found(row: MemberRow | undefined, id: string): MemberRow {
  if (row !== undefined) return row;
  throw new GatewayError("NOT_FOUND", "There is no member of this id. ListMembers shows those there are.", { metadata: { kind: "member", id } });
}

function readMember({ id, organization_id, email, role, create_time }: MemberRow): Member {
  return create(MemberSchema, { id, organizationId: organization_id, email, role, createTime: timestampFromDate(create_time) });
}
