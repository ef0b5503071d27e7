/** Owns the field for how long a secret is good beside the one that takes its place. */
import type { ReactNode } from "react";
import { Choice, textOf } from "./fields.tsx";

const hourMs = 3_600_000;

export function OverlapField({ label }: { readonly label: string }): ReactNode {
  return (
    <Choice label={label} name="hours" defaultValue="24">
      <option value="0">not at all</option>
      <option value="1">for an hour</option>
      <option value="24">for a day</option>
      <option value="168">for a week</option>
    </Choice>
  );
}

export function overlapMsIn(fields: FormData): number {
  return Number(textOf(fields, "hours")) * hourMs;
}
