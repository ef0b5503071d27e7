/** Owns making an organization. */
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function CreateOrganizationDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.createOrganization, PolicyService.method.listOrganizations, onClose);
  return (
    <FormDialog title="Create organization" action="Create organization" isPending={isPending} error={error} deed="create organizations" onClose={onClose} onSubmit={(fields) => mutate({ requestId, name: textOf(fields, "name") })}>
      <Field label="Name" name="name" required maxLength={100} autoFocus placeholder="acme" hint="Two organizations share nothing: no key, no budget, no reply of a cache." />
    </FormDialog>
  );
}
