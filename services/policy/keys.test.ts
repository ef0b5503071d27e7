import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { GrantSchema, type Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { ResolveGrantRequestSchema } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { CreateKeyRequestSchema, ListKeysRequestSchema, RecordKeyUsesRequestSchema, RevokeKeyRequestSchema, RotateKeyRequestSchema, UpdateKeyRequestSchema, type Key } from "#gen/weir/policy/v1/key_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { digestOfKeySecret } from "#platform/secrets/key-secret.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { callContext, createTestKey, createTestTeam, startPolicy, type PolicyFixture } from "./policy.fixture.ts";

const context = callContext();
const noon = Date.UTC(2026, 10, 21, 12);
const atNoon = { now: () => noon, monotonicMs: () => 0 };

describe("changing a key", () => {
  it("changes what the mask names, and nothing else", async () => {
    const fixture = await startPolicy(await createEmptyDatabase(), atNoon);
    const team = await createTestTeam(fixture);
    const { key: made } = await fixture.policy.createKey(create(CreateKeyRequestSchema, { teamId: team.id, name: "app", labels: { a: "1" }, scope: { models: ["fast"], ipRanges: ["10.0.0.0/8"] } }), context);
    const first = await update(fixture, made!.id, { updateMask: { paths: ["name", "expire_time"] }, name: "new", labels: { b: "2" }, expireTime: timestampFromMs(noon + 1) });
    expect(first).toMatchObject({ name: "new", labels: { a: "1" }, scope: { models: ["fast"], ipRanges: ["10.0.0.0/8"] }, expireTime: timestampFromMs(noon + 1) });
    const second = await update(fixture, made!.id, { updateMask: { paths: ["labels", "scope", "expire_time"] }, labels: { b: "2" } });
    expect(second).toMatchObject({ name: "new", labels: { b: "2" } });
    expect(second.scope).toBeUndefined();
    expect(second.expireTime).toBeUndefined();
  });

  it.each<[string, MessageInitShape<typeof UpdateKeyRequestSchema>]>([
    ["a name that is none", { updateMask: { paths: ["name"] } }],
    ["a scope that matches nothing", { updateMask: { paths: ["scope"] }, scope: { models: ["*"] } }],
    ["an end that is over", { updateMask: { paths: ["expire_time"] }, expireTime: timestampFromMs(noon) }],
    ["an end that the database would round to the year 10000", { updateMask: { paths: ["expire_time"] }, expireTime: { seconds: 253_402_300_799n, nanos: 999_999_999 } }],
  ])("refuses %s", async (_, request) => {
    const fixture = await startPolicy(await createEmptyDatabase(), atNoon);
    const { key } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    await expect(update(fixture, key!.id, request)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  });

  it("needs a key", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    await expect(update(fixture, "key_none", { updateMask: { paths: ["name"] }, name: "x" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
    await expect(fixture.policy.rotateKey(create(RotateKeyRequestSchema, { keyId: "key_none" }), context)).rejects.toMatchObject({ reason: "NOT_FOUND" });
  });
});

describe("rotating a key", () => {
  it("leaves the former secret valid for the overlap, a day unless it is said", async () => {
    const fixture = await startPolicy(await createEmptyDatabase(), atNoon);
    const { key, secret } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    const rotated = await fixture.policy.rotateKey(create(RotateKeyRequestSchema, { keyId: key!.id }), context);
    expect(rotated.key).toMatchObject({ id: key!.id, secretPrefix: rotated.secret.slice(0, 12) });
    expect(timestampMs(rotated.key!.previousSecretExpireTime!)).toBe(noon + 24 * 3_600_000);
    const grant = await grantOf(fixture, secret);
    expect(grant).toEqual(await grantOf(fixture, rotated.secret));
    expect(Buffer.from(grant.previousSecretDigest)).toEqual(digestOfKeySecret(secret, fixture.dependencies.pepper));

    const again = await fixture.policy.rotateKey(create(RotateKeyRequestSchema, { keyId: key!.id, overlap: durationFromMs(1) }), context);
    expect(timestampMs(again.key!.previousSecretExpireTime!)).toBe(noon + 1);
    await expect(grantOf(fixture, secret)).rejects.toMatchObject({ reason: "KEY_INVALID" });
  });

  it("is refused for a revoked key", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { key } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    await fixture.policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: key!.id }), context);
    await expect(fixture.policy.rotateKey(create(RotateKeyRequestSchema, { keyId: key!.id }), context)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  });

  it("is done once under one request id, and tells one secret", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { key } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    const rotate = () => fixture.policy.rotateKey(create(RotateKeyRequestSchema, { keyId: key!.id, requestId: "1" }), context);
    const answers = await Promise.all(Array.from({ length: 8 }, rotate));
    expect(answers.filter(({ secret }) => secret !== "")).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.key!.secretPrefix)).size).toBe(1);
  });
});

describe("a key with bounds of its own", () => {
  it("makes, changes, rotates and revokes no key that has more", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { policy } = fixture;
    const team = await createTestTeam(fixture);
    const { secret } = await policy.createKey(create(CreateKeyRequestSchema, { teamId: team.id, name: "bounded", role: Role.INSTALLATION_ADMIN, scope: { models: ["openai/*"] } }), context);
    const bounded: CallContext = { ...context, identity: { kind: "caller", grant: await grantOf(fixture, secret) } };
    const refused = { reason: "PERMISSION_DENIED", metadata: { field: "scope.models" } };
    await expect(policy.createKey(create(CreateKeyRequestSchema, { teamId: team.id, name: "child" }), bounded)).rejects.toMatchObject(refused);
    const { key: child } = await policy.createKey(create(CreateKeyRequestSchema, { teamId: team.id, name: "child", scope: { models: ["openai/a"] } }), bounded);
    await expect(policy.updateKey(create(UpdateKeyRequestSchema, { keyId: child!.id, updateMask: { paths: ["scope"] } }), bounded)).rejects.toMatchObject(refused);
    await policy.updateKey(create(UpdateKeyRequestSchema, { keyId: child!.id, updateMask: { paths: ["name"] }, name: "renamed" }), bounded);

    const { key: free } = await createTestKey(fixture, team.id);
    await expect(policy.rotateKey(create(RotateKeyRequestSchema, { keyId: free!.id }), bounded)).rejects.toMatchObject(refused);
    await expect(policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: free!.id }), bounded)).rejects.toMatchObject(refused);
    await expect(policy.updateKey(create(UpdateKeyRequestSchema, { keyId: free!.id, updateMask: { paths: ["name"] }, name: "mine" }), bounded)).rejects.toMatchObject(refused);
    const inference: CallContext = { ...context, identity: { kind: "caller", grant: create(GrantSchema, { permissions: [Permission.INFERENCE_USE], organizationId: team.organizationId, teamId: team.id }) } };
    await expect(policy.createKey(create(CreateKeyRequestSchema, { teamId: team.id, name: "admin", role: Role.INSTALLATION_ADMIN }), inference)).rejects.toMatchObject({ metadata: { field: "role" } });
  });
});

describe("the last use of a key", () => {
  it("is the latest that was told, and announces no change of its grant", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { key } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    const tell = (...uses: [string, number][]) => fixture.policy.recordKeyUses(create(RecordKeyUsesRequestSchema, { uses: uses.map(([keyId, ms]) => ({ keyId, useTime: timestampFromMs(ms) })) }), context);
    await tell([key!.id, noon], ["key_none", noon]);
    await tell([key!.id, noon - 5]);
    const { keys } = await fixture.policy.listKeys(create(ListKeysRequestSchema), context);
    expect(timestampMs(keys[0]!.lastUseTime!)).toBe(noon);
  });
});

async function update({ policy }: PolicyFixture, keyId: string, request: MessageInitShape<typeof UpdateKeyRequestSchema>): Promise<Key> {
  return (await policy.updateKey(Object.assign(create(UpdateKeyRequestSchema, request), { keyId }), context)).key!;
}

async function grantOf({ policy, dependencies }: PolicyFixture, secret: string): Promise<Grant> {
  const { grant } = await policy.resolveGrant(create(ResolveGrantRequestSchema, { secretDigest: digestOfKeySecret(secret, dependencies.pepper) }), context);
  return grant!;
}
