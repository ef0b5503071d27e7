/** Owns adding a person to an organization. */
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { MemberRoleField, memberRoleIn } from "../parts/member-role-field.tsx";
import { OrganizationField } from "../parts/organization-field.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function AddMemberDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.createMember, PolicyService.method.listMembers, onClose);
  const add = (fields: FormData): void => mutate({ requestId, organizationId: textOf(fields, "organization"), email: textOf(fields, "email"), role: memberRoleIn(fields) });
  return (
    <FormDialog title="Add member" action="Add member" isPending={isPending} error={error} deed="add members" onClose={onClose} onSubmit={add}>
      <Field label="Email" name="email" type="email" required autoFocus placeholder="ada@example.com" />
      <OrganizationField />
      <MemberRoleField role={Role.DEVELOPER} />
    </FormDialog>
  );
}
