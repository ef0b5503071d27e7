/** Owns showing a secret once, to be copied. */
import { useRef, useState, type ReactNode } from "react";

export function Secret({ value, label }: { readonly value: string; readonly label: string }): ReactNode {
  const field = useRef<HTMLInputElement>(null);
  const [told, setTold] = useState("");
  const copy = async (): Promise<void> => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(value);
      setTold("Copied.");
    } catch {
      // Without TLS, browsers give pages no clipboard.
      setTold("This page may not copy here: press Ctrl+C.");
    }
  };
  return (
    <div className="secret">
      <label className="field">
        <span>{label}</span>
        <input ref={field} readOnly value={value} spellCheck={false} />
      </label>
      <button type="button" className="primary" onClick={() => void copy()}>Copy</button>
      <output>{told}</output>
    </div>
  );
}
