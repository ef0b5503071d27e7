/** Owns changing what a key is called, what it may call, and when it ends. */
import { timestampFromMs, timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { useState, type ReactNode } from "react";
import type { Key } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, linesOf, listOf, LongField, textOf } from "../parts/fields.tsx";
import { labelsIn, LabelsField } from "../parts/labels-field.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function ChangeKeyDialog({ changed: { id, name, scope, labels, expireTime }, onClose }: { readonly changed: Key; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.updateKey, PolicyService.method.listKeys, onClose);
  const change = (fields: FormData): void => {
    const end = textOf(fields, "end");
    // A key may end within a day, which the field does not show: it is left alone where it was not touched.
    const paths = ["name", "scope", "labels", ...(end === dayOf(expireTime) ? [] : ["expire_time"])];
    mutate({
      requestId,
      keyId: id,
      updateMask: { paths },
      name: textOf(fields, "name"),
      scope: { ...scope, $typeName: "weir.policy.v1.Scope", models: listOf(fields, "models"), providers: scope?.providers ?? [], operations: scope?.operations ?? [], ipRanges: linesOf(fields, "addresses"), origins: scope?.origins ?? [] },
      labels: labelsIn(fields),
      ...(end === "" ? {} : { expireTime: timestampFromMs(Date.parse(end)) }),
    });
  };
  return (
    <FormDialog title={`Change “${name}”`} action="Change key" isPending={isPending} error={error} deed="change keys" onClose={onClose} onSubmit={change}>
      <Field label="Name" name="name" required maxLength={100} autoFocus defaultValue={name} />
      <Field label="Models it may call" name="models" placeholder="all" defaultValue={scope?.models.join(", ")} hint="Routes, provider/model or provider/*, with commas between." />
      <LongField label="Addresses it may be used from, a line each" name="addresses" rows={2} placeholder="all" defaultValue={scope?.ipRanges.join("\n")} hint={<>As networks: <code>192.0.2.0/24</code>.</>} />
      <LabelsField rows={2} labels={labels} />
      <Field label="Ends on" name="end" type="date" defaultValue={dayOf(expireTime)} hint="At the beginning of that day, UTC; never, where it is empty." />
    </FormDialog>
  );
}

/** In UTC; empty for never. */
function dayOf(time: Timestamp | undefined): string {
  return time === undefined ? "" : new Date(timestampMs(time)).toISOString().slice(0, 10);
}
