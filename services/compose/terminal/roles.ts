/** Owns the roles by the names that people write on the command line. */
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { GatewayError } from "#platform/errors.ts";

const rolesByName: Readonly<Record<string, Role>> = {
  inference: Role.INFERENCE,
  developer: Role.DEVELOPER,
  auditor: Role.AUDITOR,
  billing: Role.BILLING,
  admin: Role.ADMIN,
  owner: Role.OWNER,
  "installation-admin": Role.INSTALLATION_ADMIN,
};

export const roleNames = Object.keys(rolesByName).join(", ");

/** Throws INVALID_REQUEST. */
export function roleNamed(name: string): Role {
  const role = Object.hasOwn(rolesByName, name) ? rolesByName[name] : undefined;
  if (role === undefined) throw new GatewayError("INVALID_REQUEST", `There is no role "${name}". There are ${roleNames}.`);
  return role;
}

export function nameOfRole(role: Role): string {
  return Object.entries(rolesByName).find(([, value]) => value === role)?.[0] ?? "unknown";
}
