/** Owns changing what a stored credential is called, and how often it is used. */
import { useState, type ReactNode } from "react";
import type { Credential } from "#gen/weir/providers/v1/credential_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function ChangeCredentialDialog({ credential: { id, name, weight }, onClose }: { readonly credential: Credential; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(ProvidersService.method.updateCredential, ProvidersService.method.listCredentials, onClose);
  const change = (fields: FormData): void => mutate({ requestId, credentialId: id, updateMask: { paths: ["name", "weight"] }, name: textOf(fields, "name"), weight: Number(textOf(fields, "weight")) });
  return (
    <FormDialog title={`Change “${name}”`} action="Change credential" isPending={isPending} error={error} deed="change credentials" onClose={onClose} onSubmit={change}>
      <Field label="Name" name="name" required maxLength={100} autoFocus defaultValue={name} />
      <Field label="Weight" name="weight" type="number" required min={1} max={1_000} step={1} defaultValue={weight} />
    </FormDialog>
  );
}
