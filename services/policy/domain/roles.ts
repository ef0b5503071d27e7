/** Owns what each role permits, and how far that reaches. */
import { Reach, Role } from "#gen/weir/policy/v1/role_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";

export interface RoleFacts {
  readonly permissions: readonly Permission[];
  readonly reach: Reach;
}

const { INFERENCE_USE, FILE_USE, TOKEN_CREATE, DECISION_EXPLAIN, TENANCY_READ, TENANCY_WRITE, KEY_WRITE, ORGANIZATION_WRITE, USAGE_READ, AUDIT_READ, BUDGET_READ, BUDGET_WRITE, GUARDRAIL_WRITE, RATE_LIMIT_WRITE, CONTENT_READ, CREDENTIAL_READ, CREDENTIAL_WRITE, CONSOLE_USE } = Permission;

// What nobody ever holds: NONE needs no key, SERVICE is for Weir's own services.
const neverHeld: ReadonlySet<Permission> = new Set<Permission>([Permission.UNSPECIFIED, Permission.NONE, Permission.SERVICE]);
const everything: readonly Permission[] = Object.values(Permission).filter((permission) => !neverHeld.has(permission));

const administration: readonly Permission[] = [
  INFERENCE_USE, FILE_USE, TOKEN_CREATE, DECISION_EXPLAIN, TENANCY_READ, TENANCY_WRITE, KEY_WRITE, USAGE_READ, AUDIT_READ, BUDGET_READ, BUDGET_WRITE, GUARDRAIL_WRITE, RATE_LIMIT_WRITE, CREDENTIAL_READ, CREDENTIAL_WRITE, CONSOLE_USE,
];

const nothing: RoleFacts = { permissions: [], reach: Reach.TEAM };

const roles: Readonly<Record<Role, RoleFacts>> = {
  [Role.UNSPECIFIED]: nothing,
  [Role.INFERENCE]: { permissions: [INFERENCE_USE, FILE_USE, TOKEN_CREATE, DECISION_EXPLAIN], reach: Reach.TEAM },
  [Role.INSTALLATION_ADMIN]: { permissions: everything, reach: Reach.INSTALLATION },
  [Role.OWNER]: { permissions: [...administration, ORGANIZATION_WRITE, CONTENT_READ], reach: Reach.ORGANIZATION },
  [Role.ADMIN]: { permissions: administration, reach: Reach.ORGANIZATION },
  [Role.BILLING]: { permissions: [DECISION_EXPLAIN, TENANCY_READ, USAGE_READ, BUDGET_READ, CONSOLE_USE], reach: Reach.ORGANIZATION },
  [Role.DEVELOPER]: { permissions: [INFERENCE_USE, FILE_USE, TOKEN_CREATE, DECISION_EXPLAIN, TENANCY_READ, KEY_WRITE, USAGE_READ, BUDGET_READ, CONSOLE_USE], reach: Reach.TEAM },
  [Role.AUDITOR]: { permissions: [DECISION_EXPLAIN, TENANCY_READ, USAGE_READ, BUDGET_READ, AUDIT_READ, CONSOLE_USE], reach: Reach.ORGANIZATION },
};

/** Of a role that this version does not know: nothing. */
export function factsOf(role: Role): RoleFacts {
  return (roles as Readonly<Record<number, RoleFacts>>)[role] ?? nothing;
}
