import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { ResolveGrantRequestSchema } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { ListKeysRequestSchema, RevokeKeyRequestSchema } from "#gen/weir/policy/v1/key_pb.ts";
import { ListOrganizationsRequestSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { ListTeamsRequestSchema } from "#gen/weir/policy/v1/team_pb.ts";
import { digestOfKeySecret, formatKeySecret, isKeySecret } from "#platform/secrets/key-secret.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { callContext, startPolicy, type PolicyFixture } from "./policy.fixture.ts";
import { bootstrapTenancy } from "./service.ts";

const context = callContext();
const admin = { name: "admin", role: Role.INSTALLATION_ADMIN };
const missing = { ...admin, storedSecret: undefined };

describe("bootstrapping the tenancy", () => {
  it("creates organization, team and key, once", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const secret = await bootstrapTenancy(fixture.dependencies, missing);
    expect(isKeySecret(secret.reveal())).toBe(true);
    const again = await bootstrapTenancy(fixture.dependencies, { ...admin, storedSecret: secret });
    expect(again.reveal()).toBe(secret.reveal());
    const inference = await bootstrapTenancy(fixture.dependencies, { name: "inference", role: Role.INFERENCE, storedSecret: undefined });
    expect(inference.reveal()).not.toBe(secret.reveal());

    const { organizations } = await fixture.policy.listOrganizations(create(ListOrganizationsRequestSchema), context);
    expect(organizations.map(({ name }) => name)).toEqual(["default"]);
    const { teams } = await fixture.policy.listTeams(create(ListTeamsRequestSchema), context);
    expect(teams.map(({ name }) => name)).toEqual(["default"]);
    expect(await describeKeys(fixture)).toEqual(["inference", "admin"]);
    expect(await grantOf(fixture, secret)).toMatchObject({ organizationId: organizations[0]!.id, teamId: teams[0]!.id, revoked: false });
  });

  it("registers a stored secret that this database does not know", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const storedSecret = formatKeySecret(new Uint8Array(32).fill(7));
    const secret = await bootstrapTenancy(fixture.dependencies, { ...admin, storedSecret });
    expect(secret.reveal()).toBe(storedSecret.reveal());
    expect(await grantOf(fixture, storedSecret)).toMatchObject({ revoked: false });
  });

  it("makes a new secret for one that was revoked", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const storedSecret = await bootstrapTenancy(fixture.dependencies, missing);
    const { keyId } = await grantOf(fixture, storedSecret);
    await fixture.policy.revokeKey(create(RevokeKeyRequestSchema, { keyId }), context);
    const secret = await bootstrapTenancy(fixture.dependencies, { ...admin, storedSecret });
    expect(await grantOf(fixture, secret)).toMatchObject({ revoked: false });
    expect(await grantOf(fixture, storedSecret)).toMatchObject({ revoked: true });
  });

  it("makes a new secret for one that is junk or has another role", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const inference = await bootstrapTenancy(fixture.dependencies, { name: "inference", role: Role.INFERENCE, storedSecret: undefined });
    for (const storedSecret of [new Secret(""), new Secret("weir_junk"), inference]) {
      const secret = await bootstrapTenancy(fixture.dependencies, { ...admin, storedSecret });
      expect(secret.reveal()).not.toBe(storedSecret.reveal());
      expect((await grantOf(fixture, secret)).permissions.length).toBeGreaterThan(1);
    }
  });

  it("registers one key, however many start at once with one file", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    await bootstrapTenancy(fixture.dependencies, missing);
    const storedSecret = formatKeySecret(new Uint8Array(32).fill(7));
    // Opens the pool's connections, so that the starts do meet.
    await Promise.all(Array.from({ length: 6 }, () => fixture.dependencies.database.query("SELECT pg_sleep(0.05)")));
    await Promise.all(Array.from({ length: 6 }, () => bootstrapTenancy(fixture.dependencies, { ...admin, name: "stored", storedSecret })));
    expect(await describeKeys(fixture)).toEqual(["stored", "admin"]);
  });
});

async function describeKeys({ policy }: PolicyFixture): Promise<string[]> {
  const { keys } = await policy.listKeys(create(ListKeysRequestSchema), context);
  return keys.map(({ name }) => name);
}

async function grantOf({ policy, dependencies }: PolicyFixture, secret: Secret): Promise<Grant> {
  const secretDigest = digestOfKeySecret(secret.reveal(), dependencies.pepper);
  const { grant } = await policy.resolveGrant(create(ResolveGrantRequestSchema, { secretDigest }), context);
  return grant!;
}
