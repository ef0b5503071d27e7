/** Owns dialogs: the browser's own, which keeps the focus inside and closes on Escape. */
import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { Failure } from "./states.tsx";

/** Opens what is made of what closes it. */
export type OpenDialog = (make: (onClose: () => void) => ReactNode) => void;

/** The dialog that is open, and what opens one. */
export function useDialog(): [dialog: ReactNode, open: OpenDialog] {
  const [dialog, setDialog] = useState<ReactNode>(null);
  return [dialog, (make) => setDialog(make(() => setDialog(null)))];
}

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function Dialog({ title, onClose, children }: DialogProps): ReactNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const { current } = dialog;
    current?.showModal();
    // Not the ✕, where the browser would begin: Enter, pressed once more than needed, would close what is shown once.
    (current?.querySelector<HTMLElement>("form :is(input, select, textarea)") ?? current?.querySelector("h2"))?.focus();
    return () => current?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={titleId} onCancel={onClose}>
      <header>
        <h2 id={titleId} tabIndex={-1}>{title}</h2>
        <button type="button" className="plain" aria-label="Close" onClick={onClose}>✕</button>
      </header>
      {children}
    </dialog>
  );
}

interface FormDialogProps extends DialogProps {
  /** What the button says: `Create key`. */
  readonly action: string;
  readonly isDangerous?: boolean;
  readonly isPending: boolean;
  readonly error: unknown;
  /** Completes «Your role may not …». */
  readonly deed: string;
  readonly onSubmit: (fields: FormData) => void;
}

export function FormDialog({ action, isDangerous = false, isPending, error, deed, onSubmit, children, ...dialog }: FormDialogProps): ReactNode {
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    onSubmit(new FormData(event.currentTarget));
  };
  return (
    <Dialog {...dialog}>
      <form onSubmit={submit}>
        {children}
        {error !== null && <Failure error={error} deed={deed} />}
        <footer>
          <button type="button" onClick={dialog.onClose}>Cancel</button>
          <button type="submit" className={isDangerous ? "dangerous" : "primary"} disabled={isPending}>{action}</button>
        </footer>
      </form>
    </Dialog>
  );
}
