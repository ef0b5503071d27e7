/** Owns making a team. */
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { OrganizationField } from "../parts/organization-field.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function CreateTeamDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.createTeam, PolicyService.method.listTeams, onClose);
  const create = (fields: FormData): void => mutate({ requestId, organizationId: textOf(fields, "organization"), name: textOf(fields, "name") });
  return (
    <FormDialog title="Create team" action="Create team" isPending={isPending} error={error} deed="create teams" onClose={onClose} onSubmit={create}>
      <Field label="Name" name="name" required maxLength={100} autoFocus placeholder="search" hint="Keys are made in a team; budgets and limits can be of one." />
      <OrganizationField />
    </FormDialog>
  );
}
