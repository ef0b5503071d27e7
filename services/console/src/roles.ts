/** Owns the words for roles. */
import { Role } from "#gen/weir/policy/v1/role_pb.ts";

const titles: Readonly<Record<number, string>> = {
  [Role.INFERENCE]: "inference",
  [Role.INSTALLATION_ADMIN]: "installation admin",
  [Role.OWNER]: "owner",
  [Role.ADMIN]: "admin",
  [Role.BILLING]: "billing",
  [Role.DEVELOPER]: "developer",
  [Role.AUDITOR]: "auditor",
};

/** Those that a key can be made with, the least first. */
export const keyRoles: readonly (readonly [Role, string])[] = [
  [Role.INFERENCE, "inference: calls models; for applications"],
  [Role.DEVELOPER, "developer: also makes keys in its team, sees usage"],
  [Role.BILLING, "billing: sees usage and budgets"],
  [Role.AUDITOR, "auditor: sees everything, changes nothing"],
  [Role.ADMIN, "admin: everything but the organization itself"],
  [Role.OWNER, "owner: everything in the organization"],
  [Role.INSTALLATION_ADMIN, "installation admin: everything, everywhere"],
];

/** Those that a person can have in an organization. */
export const memberRoles: typeof keyRoles = keyRoles.filter(([role]) => role !== Role.INFERENCE && role !== Role.INSTALLATION_ADMIN);

export function roleTitle(role: Role): string {
  return titles[role] ?? "not known";
}
