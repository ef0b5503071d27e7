/** Owns the field for labels, one in each line. */
import type { FormEvent, ReactNode, TextareaHTMLAttributes } from "react";
import { linesOf, LongField } from "./fields.tsx";

const labelForm = /^\s*([^=\s][^=]*?)\s*=\s*(.*?)\s*$/;

export function LabelsField({ labels = {}, ...textarea }: { readonly labels?: Readonly<Record<string, string>> } & TextareaHTMLAttributes<HTMLTextAreaElement>): ReactNode {
  const written = Object.entries(labels).map(([name, value]) => `${name}=${value}`).join("\n");
  return <LongField label="Labels, a line each" name="labels" placeholder="none" defaultValue={written} onInput={checkLabels} hint={<>Such as <code>cost_center=42</code>.</>} {...textarea} />;
}

export function labelsIn(fields: FormData): Record<string, string> {
  return Object.fromEntries(linesOf(fields, "labels").map(labelOf));
}

function checkLabels({ currentTarget }: FormEvent<HTMLTextAreaElement>): void {
  const isRight = currentTarget.value.split("\n").every((line) => line.trim() === "" || labelForm.test(line));
  currentTarget.setCustomValidity(isRight ? "" : "Write name=value in each line.");
}

function labelOf(line: string): [string, string] {
  const [, name = "", value = ""] = labelForm.exec(line) ?? [];
  return [name, value];
}
