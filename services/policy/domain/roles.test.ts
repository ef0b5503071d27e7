import { describe, expect, it } from "vitest";
import { KeyRole } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { permissionsOf } from "./roles.ts";

describe("roles", () => {
  it("let an inference key call models and nothing else", () => {
    expect(permissionsOf(KeyRole.INFERENCE)).toEqual([Permission.INFERENCE_USE]);
  });

  it("let an admin key do all that a key can, but not pass for a service of Weir", () => {
    const permissions = permissionsOf(KeyRole.ADMIN);
    expect(permissions).toEqual(expect.arrayContaining([Permission.INFERENCE_USE, Permission.TENANCY_READ, Permission.TENANCY_WRITE, Permission.USAGE_READ]));
    expect(permissions).not.toContain(Permission.SERVICE);
    expect(permissions).not.toContain(Permission.NONE);
    expect(permissions).not.toContain(Permission.UNSPECIFIED);
  });

  it("let a role from a later version do nothing", () => {
    expect(permissionsOf(77 as KeyRole)).toEqual([]);
  });
});
