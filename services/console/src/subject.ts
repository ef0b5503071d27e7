/** Owns the words for whose calls a rule is about. */
import type { Names } from "./names.ts";

export function subjectOf(rule: { readonly organizationId: string; readonly teamId: string; readonly keyId: string } | undefined, names: Names): string {
  const { organizationId = "", teamId = "", keyId = "" } = rule ?? {};
  const bounds = [names.hasOneOrganization ? "" : organizationId && names.organization(organizationId), teamId && `team ${names.team(teamId)}`, keyId && `key ${names.key(keyId)}`];
  return bounds.filter((bound) => bound !== "").join(", ") || "everybody";
}
