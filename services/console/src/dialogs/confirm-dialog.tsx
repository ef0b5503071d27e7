/** Owns asking once more before something is done. */
import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { ReactNode } from "react";
import { FormDialog } from "../parts/dialog.tsx";
import { useChange } from "../refresh.ts";

interface ConfirmDialogProps<Input extends DescMessage> {
  readonly title: string;
  /** What the button says. */
  readonly action: string;
  /** What is lost by it does not come back. */
  readonly isDangerous?: boolean;
  /** Completes «Your role may not …». */
  readonly deed: string;
  readonly method: DescMethodUnary<Input>;
  readonly input: MessageInitShape<Input>;
  /** The list that has it. */
  readonly listed: DescMethodUnary;
  readonly onClose: () => void;
  /** What comes of it. */
  readonly children: ReactNode;
}

export function ConfirmDialog<Input extends DescMessage>({ title, action, isDangerous = false, deed, method, input, listed, onClose, children }: ConfirmDialogProps<Input>): ReactNode {
  const { mutate, error, isPending } = useChange(method, listed, onClose);
  return (
    <FormDialog title={title} action={action} isDangerous={isDangerous} isPending={isPending} error={error} deed={deed} onClose={onClose} onSubmit={() => mutate(input)}>
      <p>{children}</p>
    </FormDialog>
  );
}
