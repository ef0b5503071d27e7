/** Owns giving a key another secret, beside which the present one is good for a while. */
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { useState, type ReactNode } from "react";
import type { Key } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { useRefresh } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { OverlapField, overlapMsIn } from "../parts/overlap-field.tsx";
import { SecretDialog } from "./secret-dialog.tsx";

export function RotateKeyDialog({ rotated, onClose }: { readonly rotated: Key; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const refreshKeys = useRefresh(PolicyService.method.listKeys);
  const { mutate, data, error, isPending } = useMutation(PolicyService.method.rotateKey, { onSuccess: refreshKeys });
  if (data !== undefined) return <SecretDialog keyName={rotated.name} secret={data.secret} onClose={onClose} />;
  const rotate = (fields: FormData): void => mutate({ requestId, keyId: rotated.id, overlap: durationFromMs(overlapMsIn(fields)) });
  return (
    <FormDialog title={`Rotate “${rotated.name}”?`} action="Rotate key" isPending={isPending} error={error} deed="rotate keys" onClose={onClose} onSubmit={rotate}>
      <p>The key gets a new secret. All else of it stays: its bounds, its budgets, its place in reports.</p>
      <OverlapField label="The present secret stays good" />
    </FormDialog>
  );
}
