/** Owns giving something another name. */
import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ReactNode } from "react";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { useChange } from "../refresh.ts";

interface RenameDialogProps<Input extends DescMessage> {
  /** What it is: `team`. */
  readonly kind: string;
  readonly name: string;
  readonly method: DescMethodUnary<Input>;
  readonly inputOf: (name: string) => MessageInitShape<Input>;
  /** The list that has it. */
  readonly listed: DescMethodUnary;
  readonly onClose: () => void;
}

export function RenameDialog<Input extends DescMessage>({ kind, name, method, inputOf, listed, onClose }: RenameDialogProps<Input>): ReactNode {
  const { mutate, error, isPending } = useChange(method, listed, onClose);
  return (
    <FormDialog title={`Rename “${name}”`} action={`Rename ${kind}`} isPending={isPending} error={error} deed={`rename ${kind}s`} onClose={onClose} onSubmit={(fields) => mutate(inputOf(textOf(fields, "name")))}>
      <Field label="Name" name="name" required maxLength={100} autoFocus defaultValue={name} />
    </FormDialog>
  );
}
