/** Owns the field for a vendor's secret: it goes to Weir, and is not shown again. */
import type { ReactNode } from "react";
import { Field, textOf } from "./fields.tsx";

export function CredentialSecretField(): ReactNode {
  return <Field label="Secret" name="secret" type="password" autoComplete="new-password" required maxLength={8_192} hint="The vendor's key, as api_key would have it. It is kept encrypted, and never shown." />;
}

export function credentialSecretIn(fields: FormData): string {
  return textOf(fields, "secret");
}
