/** Owns the field for what a person may do in an organization. */
import type { ReactNode } from "react";
import type { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { memberRoles } from "../roles.ts";
import { Choice, textOf } from "./fields.tsx";

export function MemberRoleField({ role }: { readonly role: Role }): ReactNode {
  return (
    <Choice label="Role" name="role" defaultValue={role}>
      {memberRoles.map(([value, title]) => <option key={value} value={value}>{title}</option>)}
    </Choice>
  );
}

export function memberRoleIn(fields: FormData): Role {
  return Number(textOf(fields, "role")) as Role;
}
