/** Owns fields with their labels. */
import type { InputHTMLAttributes, ReactNode, SelectHTMLAttributes, TextareaHTMLAttributes } from "react";

interface Labelled {
  readonly label: string;
  /** What is to be known before it is filled in. */
  readonly hint?: ReactNode;
}

export function Field({ label, hint, ...input }: Labelled & InputHTMLAttributes<HTMLInputElement>): ReactNode {
  return (
    <label className="field">
      <span>{label}</span>
      <input type="text" autoComplete="off" {...input} />
      {hint !== undefined && <small>{hint}</small>}
    </label>
  );
}

export function Choice({ label, hint, children, ...select }: Labelled & SelectHTMLAttributes<HTMLSelectElement>): ReactNode {
  return (
    <label className="field">
      <span>{label}</span>
      <select {...select}>{children}</select>
      {hint !== undefined && <small>{hint}</small>}
    </label>
  );
}

/** For what takes several lines. */
export function LongField({ label, hint, ...textarea }: Labelled & TextareaHTMLAttributes<HTMLTextAreaElement>): ReactNode {
  return (
    <label className="field">
      <span>{label}</span>
      <textarea autoComplete="off" {...textarea} />
      {hint !== undefined && <small>{hint}</small>}
    </label>
  );
}

/** Something that is so or not, or one of several that are chosen under one name. */
export function Check({ label, ...input }: { readonly label: string } & InputHTMLAttributes<HTMLInputElement>): ReactNode {
  return (
    <label className="check">
      <input type="checkbox" {...input} />
      {label}
    </label>
  );
}

/** What the form has in this field, without the space around it. */
export function textOf(fields: FormData, name: string): string {
  const value = fields.get(name);
  return typeof value === "string" ? value.trim() : "";
}

/** What stands there with commas or blanks between. */
export function listOf(fields: FormData, name: string): string[] {
  return textOf(fields, name).split(/[\s,]+/).filter((part) => part !== "");
}

/** The lines that have something in them. */
export function linesOf(fields: FormData, name: string): string[] {
  return textOf(fields, name).split("\n").map((line) => line.trim()).filter((line) => line !== "");
}
