import { describe, expect, it } from "vitest";
import { Reach, Role } from "#gen/weir/policy/v1/role_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { excessOf } from "./entitlement.ts";
import { factsOf } from "./roles.ts";

const all = Object.values(Role).filter((role) => typeof role === "number");

describe("roles", () => {
  it("let an inference key call models, make tokens that do, ask what would become of its calls, and nothing else", () => {
    expect(factsOf(Role.INFERENCE)).toEqual({ permissions: [Permission.INFERENCE_USE, Permission.FILE_USE, Permission.TOKEN_CREATE, Permission.DECISION_EXPLAIN], reach: Reach.TEAM });
  });

  it("let the installation's admin do all that a key can, but not pass for a service of Weir", () => {
    const { permissions, reach } = factsOf(Role.INSTALLATION_ADMIN);
    expect(reach).toBe(Reach.INSTALLATION);
    expect(permissions).toEqual(expect.arrayContaining(all.flatMap((role) => factsOf(role).permissions)));
    for (const never of [Permission.SERVICE, Permission.NONE, Permission.UNSPECIFIED]) expect(permissions).not.toContain(never);
  });

  it("give nobody but the installation's admin what reaches beyond an organization", () => {
    expect(all.filter((role) => factsOf(role).reach === Reach.INSTALLATION)).toEqual([Role.INSTALLATION_ADMIN]);
  });

  it("let those who only look change nothing", () => {
    expect(factsOf(Role.BILLING).permissions).toEqual([Permission.DECISION_EXPLAIN, Permission.TENANCY_READ, Permission.USAGE_READ, Permission.BUDGET_READ, Permission.CONSOLE_USE]);
    expect(factsOf(Role.AUDITOR).permissions).toEqual([Permission.DECISION_EXPLAIN, Permission.TENANCY_READ, Permission.USAGE_READ, Permission.BUDGET_READ, Permission.AUDIT_READ, Permission.CONSOLE_USE]);
  });

  it("keep owners from being made by anybody below", () => {
    const above = (role: Role, other: Role): boolean => excessOf({ ...factsOf(other), scopes: [] }, { ...factsOf(role), scopes: [] }) === undefined;
    expect(all.filter((role) => above(role, Role.OWNER))).toEqual([Role.INSTALLATION_ADMIN, Role.OWNER]);
    expect(all.filter((role) => above(role, Role.ADMIN))).toEqual([Role.INSTALLATION_ADMIN, Role.OWNER, Role.ADMIN]);
    expect(all.filter((role) => above(role, Role.DEVELOPER))).toEqual([Role.INSTALLATION_ADMIN, Role.OWNER, Role.ADMIN, Role.DEVELOPER]);
  });

  it("let a role from a later version do nothing", () => {
    expect(factsOf(77 as Role).permissions).toEqual([]);
  });
});
