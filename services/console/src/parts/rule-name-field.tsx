/** Owns the field for the name of a rate limit or a guardrail. */
import type { ReactNode } from "react";
import { Field } from "./fields.tsx";

/** In the form, it is `name`. */
export function RuleNameField({ example }: { readonly example: string }): ReactNode {
  return <Field label="Name" name="name" required pattern="[a-z0-9][a-z0-9_\-]{0,62}" autoFocus placeholder={example} hint="Who is refused is told it: small letters, digits and dashes." />;
}
