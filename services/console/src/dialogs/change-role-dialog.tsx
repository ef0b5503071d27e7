/** Owns changing what a person may do in an organization. */
import { useState, type ReactNode } from "react";
import type { Member } from "#gen/weir/policy/v1/member_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { MemberRoleField, memberRoleIn } from "../parts/member-role-field.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function ChangeRoleDialog({ member: { id, email, role }, onClose }: { readonly member: Member; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.updateMember, PolicyService.method.listMembers, onClose);
  return (
    <FormDialog title={`Role of ${email}`} action="Change role" isPending={isPending} error={error} deed="change roles" onClose={onClose} onSubmit={(fields) => mutate({ requestId, memberId: id, role: memberRoleIn(fields) })}>
      <MemberRoleField role={role} />
      <p className="quiet">It is the role of the person&apos;s keys, too, from the next call on.</p>
    </FormDialog>
  );
}
