/** Owns what each role permits. */
import { KeyRole } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";

// What no key ever holds: NONE needs no key, SERVICE is for Weir's own services.
const neverHeld: ReadonlySet<Permission> = new Set<Permission>([Permission.UNSPECIFIED, Permission.NONE, Permission.SERVICE]);
const everything: readonly Permission[] = Object.values(Permission).filter((permission) => !neverHeld.has(permission));

/** The permissions of a role; a role that this version does not know permits nothing. */
export function permissionsOf(role: KeyRole): readonly Permission[] {
  switch (role) {
    case KeyRole.INFERENCE:
      return [Permission.INFERENCE_USE];
    case KeyRole.ADMIN:
      return everything;
    default:
      return [];
  }
}
