/** Owns giving a stored credential another secret, which is used at once. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useState, type ReactNode } from "react";
import type { Credential } from "#gen/weir/providers/v1/credential_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { CredentialSecretField, credentialSecretIn } from "../parts/credential-secret-field.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { OverlapField, overlapMsIn } from "../parts/overlap-field.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function RotateCredentialDialog({ credential: { id, name }, onClose }: { readonly credential: Credential; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(ProvidersService.method.rotateCredential, ProvidersService.method.listCredentials, onClose);
  const rotate = (fields: FormData): void => mutate({ requestId, credentialId: id, secret: credentialSecretIn(fields), overlap: durationFromMs(overlapMsIn(fields)) });
  return (
    <FormDialog title={`Rotate “${name}”`} action="Rotate credential" isPending={isPending} error={error} deed="rotate credentials" onClose={onClose} onSubmit={rotate}>
      <CredentialSecretField />
      <OverlapField label="Where the vendor refuses it, the present secret serves" />
    </FormDialog>
  );
}
