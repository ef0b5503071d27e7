/** Owns showing a key's secret the one time that there is. */
import type { ReactNode } from "react";
import { Dialog } from "../parts/dialog.tsx";
import { Secret } from "../parts/secret.tsx";

export function SecretDialog({ keyName, secret, onClose }: { readonly keyName: string; readonly secret: string; readonly onClose: () => void }): ReactNode {
  return (
    <Dialog title={`Key “${keyName}”`} onClose={onClose}>
      <p>This is its secret. It is shown this once: copy it to where the application takes it from.</p>
      <Secret value={secret} label="Secret" />
      <footer>
        <button type="button" onClick={onClose}>Done</button>
      </footer>
    </Dialog>
  );
}
