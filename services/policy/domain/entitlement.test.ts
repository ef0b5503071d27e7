import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { ScopeSchema, type Scope } from "#gen/weir/policy/v1/scope_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { checkWithin, excessOf, type Entitlement } from "./entitlement.ts";

// That no child can call what its parent cannot is proved in test/contracts/entitlement.test.ts, against what routing lets in.
describe("an entitlement", () => {
  it.each<[string, Partial<Entitlement>, Partial<Entitlement>]>([
    ["role", { permissions: [Permission.INFERENCE_USE, Permission.TENANCY_WRITE] }, { permissions: [Permission.TENANCY_WRITE] }],
    ["role", { reach: Reach.ORGANIZATION }, {}],
    ["expire_time", {}, { expireTime: timestampFromMs(1) }],
    ["expire_time", { expireTime: timestampFromMs(2) }, { expireTime: timestampFromMs(1) }],
    ["scope.models", {}, { scopes: [scope({ models: ["fast"] })] }],
    ["scope.models", { scopes: [scope({ models: ["openai/*"] })] }, { scopes: [scope({ models: ["openai/a"] })] }],
    ["scope.ip_ranges", { scopes: [scope({ ipRanges: ["10.0.0.0/8"] })] }, { scopes: [scope({ ipRanges: ["10.0.0.0/16"] })] }],
    ["scope.origins", { scopes: [scope({ origins: ["https://a"] })] }, { scopes: [scope({}), scope({ origins: ["https://b"] })] }],
  ])("beyond another in its %s is found: %o", (field, child, parent) => {
    expect(excessOf(entitlement(child), entitlement(parent))).toMatchObject({ field });
  });

  it.each<[Partial<Entitlement>, Partial<Entitlement>]>([
    [{}, {}],
    [{ expireTime: timestampFromMs(1), scopes: [scope({ models: ["openai/a", "openai/*", "fast"] })] }, { expireTime: timestampFromMs(1), scopes: [scope({ models: ["openai/*", "fast"] })] }],
    [{ scopes: [scope({ providers: ["a"], ipRanges: ["10.1.0.0/16"] })] }, { scopes: [scope({ providers: ["a", "b"] }), scope({ ipRanges: ["10.0.0.0/8"] })] }],
  ])("within another is let be: %o", (child, parent) => {
    expect(excessOf(entitlement(child), entitlement(parent))).toBeUndefined();
  });

  it("of a caller bounds what it gives, and the refusal says where", () => {
    const identity = { kind: "caller", grant: create(GrantSchema, { reach: Reach.TEAM, scopes: [{ models: ["fast"] }] }) } as const;
    expect(() => checkWithin(entitlement({}), identity)).toThrow(expect.objectContaining({ reason: "PERMISSION_DENIED", message: expect.stringMatching(/scope\.models .*\(fast\)/) as string }));
  });
});

function entitlement(parts: Partial<Entitlement>): Entitlement {
  return { permissions: [], reach: Reach.TEAM, scopes: [], ...parts };
}

function scope(fields: MessageInitShape<typeof ScopeSchema>): Scope {
  return create(ScopeSchema, fields);
}
