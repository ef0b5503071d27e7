import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { ResolveGrantRequestSchema } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { CreateKeyRequestSchema, ListKeysRequestSchema, RevokeKeyRequestSchema } from "#gen/weir/policy/v1/key_pb.ts";
import { CreateOrganizationRequestSchema, ListOrganizationsRequestSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { CreateTeamRequestSchema, ListTeamsRequestSchema } from "#gen/weir/policy/v1/team_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { digestOfKeySecret, isKeySecret } from "#platform/secrets/key-secret.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { callContext, createTestKey, createTestTeam, startPolicy, type PolicyFixture } from "./policy.fixture.ts";

const context = callContext();
const noon = Date.UTC(2026, 10, 21, 12);

describe("organizations", () => {
  it("are created and listed by name", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase(), { now: () => noon, monotonicMs: () => 0 });
    for (const name of ["globex", "acme", "initech"]) await policy.createOrganization(create(CreateOrganizationRequestSchema, { name }), context);
    const { organizations, nextPageToken } = await policy.listOrganizations(create(ListOrganizationsRequestSchema), context);
    expect(organizations.map(({ name }) => name)).toEqual(["acme", "globex", "initech"]);
    expect(organizations[0]!.id).toMatch(/^org_[0-9a-z]{26}$/);
    expect(timestampMs(organizations[0]!.createTime!)).toBe(noon);
    expect(nextPageToken).toBe("");
  });

  it("come page by page", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase());
    for (const name of ["a", "b", "c", "d", "e"]) await policy.createOrganization(create(CreateOrganizationRequestSchema, { name }), context);
    const pages: string[][] = [];
    let pageToken = "";
    do {
      const page = await policy.listOrganizations(create(ListOrganizationsRequestSchema, { pageSize: 2, pageToken }), context);
      pages.push(page.organizations.map(({ name }) => name));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(pages).toEqual([["a", "b"], ["c", "d"], ["e"]]);
  });

  it("have names of their own", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase());
    const request = create(CreateOrganizationRequestSchema, { name: "acme" });
    await policy.createOrganization(request, context);
    await expect(policy.createOrganization(request, context)).rejects.toMatchObject({ reason: "ALREADY_EXISTS", metadata: { kind: "organization", name: "acme" } });
  });
});

describe("teams", () => {
  it("are created in an organization, and listed by name, of one or of all", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const acme = await createTestTeam(fixture, "acme");
    const globex = await createTestTeam(fixture, "globex");
    const { team: alpha } = await fixture.policy.createTeam(create(CreateTeamRequestSchema, { organizationId: acme.organizationId, name: "alpha" }), context);
    expect(alpha).toMatchObject({ organizationId: acme.organizationId, name: "alpha", id: expect.stringMatching(/^team_/) });

    const ofAcme = await fixture.policy.listTeams(create(ListTeamsRequestSchema, { organizationId: acme.organizationId }), context);
    expect(ofAcme.teams.map(({ id }) => id)).toEqual([alpha!.id, acme.id]);
    const ofAll = await fixture.policy.listTeams(create(ListTeamsRequestSchema), context);
    expect(new Set(ofAll.teams.map(({ id }) => id))).toEqual(new Set([alpha!.id, acme.id, globex.id]));
  });

  it("have names of their own, within their organization", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { organizationId } = await createTestTeam(fixture, "acme");
    await createTestTeam(fixture, "globex");
    const again = fixture.policy.createTeam(create(CreateTeamRequestSchema, { organizationId, name: "research" }), context);
    await expect(again).rejects.toMatchObject({ reason: "ALREADY_EXISTS", metadata: { kind: "team", name: "research" } });
  });

  it("need an organization", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase());
    const orphan = policy.createTeam(create(CreateTeamRequestSchema, { organizationId: "org_none", name: "research" }), context);
    await expect(orphan).rejects.toMatchObject({ reason: "NOT_FOUND", metadata: { kind: "organization", id: "org_none" } });
  });

  it("of the same name come each once, whatever the size of the page", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const teams = new Set<string>();
    for (let index = 0; index < 5; index++) teams.add((await createTestTeam(fixture, `organization ${index}`)).id);
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await fixture.policy.listTeams(create(ListTeamsRequestSchema, { pageSize: 2, pageToken }), context);
      seen.push(...page.teams.map(({ id }) => id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(seen).toHaveLength(5);
    expect(new Set(seen)).toEqual(teams);
  });

  it("refuse the page token of another organization", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { organizationId } = await createTestTeam(fixture);
    await fixture.policy.createTeam(create(CreateTeamRequestSchema, { organizationId, name: "alpha" }), context);
    const { nextPageToken } = await fixture.policy.listTeams(create(ListTeamsRequestSchema, { organizationId, pageSize: 1 }), context);
    const elsewhere = fixture.policy.listTeams(create(ListTeamsRequestSchema, { organizationId: "org_other", pageToken: nextPageToken }), context);
    await expect(elsewhere).rejects.toMatchObject({ reason: "INVALID_REQUEST", fieldViolations: [{ field: "page_token" }] });
  });
});

describe("keys", () => {
  it("are created with their secret, which no list shows", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const team = await createTestTeam(fixture);
    const request = create(CreateKeyRequestSchema, { teamId: team.id, name: "ci", role: Role.INSTALLATION_ADMIN, scope: { models: ["fast", "openai/*"] }, labels: { application: "ci", cost_center: "42" } });
    const { key, secret } = await fixture.policy.createKey(request, context);
    expect(isKeySecret(secret)).toBe(true);
    expect(key).toMatchObject({
      id: expect.stringMatching(/^key_/),
      teamId: team.id,
      organizationId: team.organizationId,
      name: "ci",
      secretPrefix: secret.slice(0, 12),
      role: Role.INSTALLATION_ADMIN,
      scope: { models: ["fast", "openai/*"] },
      labels: { application: "ci", cost_center: "42" },
    });
    expect(key!.revokeTime).toBeUndefined();

    const { keys } = await fixture.policy.listKeys(create(ListKeysRequestSchema), context);
    expect(keys).toEqual([key]);
    const { rows } = await fixture.dependencies.database.query("SELECT keys::text FROM keys");
    expect(JSON.stringify(rows)).not.toContain(secret.slice(12));
  });

  it("are inference keys unless they are said to be more", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { key } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    expect(key!.role).toBe(Role.INFERENCE);
  });

  it("need a team", async () => {
    await expect(createTestKey(await startPolicy(await createEmptyDatabase()), "team_none")).rejects.toMatchObject({ reason: "NOT_FOUND", metadata: { kind: "team", id: "team_none" } });
  });

  it("are listed newest first, by organization and team, page by page, also when they have one name", async () => {
    const fixture = await startPolicy(await createEmptyDatabase(), tickingClock());
    const acme = await createTestTeam(fixture, "acme");
    const globex = await createTestTeam(fixture, "globex");
    const { team: other } = await fixture.policy.createTeam(create(CreateTeamRequestSchema, { organizationId: acme.organizationId, name: "other" }), context);
    const ids: Record<string, string[]> = { [acme.id]: [], [globex.id]: [], [other!.id]: [] };
    const all: string[] = [];
    for (let round = 0; round < 3; round++) {
      for (const teamId of Object.keys(ids)) {
        const { key } = await createTestKey(fixture, teamId);
        ids[teamId]!.unshift(key!.id);
        all.unshift(key!.id);
      }
    }
    expect(await listAllKeyIds(fixture, {})).toEqual(all);
    expect(await listAllKeyIds(fixture, { teamId: globex.id })).toEqual(ids[globex.id]);
    expect(await listAllKeyIds(fixture, { organizationId: acme.organizationId })).toEqual(all.filter((id) => !ids[globex.id]!.includes(id)));
    expect(await listAllKeyIds(fixture, { organizationId: acme.organizationId, teamId: globex.id })).toEqual([]);
  });

  it("are revoked once and for all", async () => {
    const fixture = await startPolicy(await createEmptyDatabase(), tickingClock());
    const { key } = await createTestKey(fixture, (await createTestTeam(fixture)).id);
    const request = create(RevokeKeyRequestSchema, { keyId: key!.id });
    const first = await fixture.policy.revokeKey(request, context);
    expect(first.key!.revokeTime).toBeDefined();
    expect(await fixture.policy.revokeKey(request, context)).toEqual(first);
    const { keys } = await fixture.policy.listKeys(create(ListKeysRequestSchema), context);
    expect(keys).toEqual([first.key]);
  });

  it("cannot be revoked when there are none", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase());
    await expect(policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: "key_none" }), context)).rejects.toMatchObject({ reason: "NOT_FOUND", metadata: { kind: "key", id: "key_none" } });
  });
});

describe("grants", () => {
  it("are found by the digest of the secret, also when revoked", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const team = await createTestTeam(fixture);
    const { key, secret } = await fixture.policy.createKey(create(CreateKeyRequestSchema, { teamId: team.id, name: "app", scope: { models: ["fast"] }, labels: { application: "app" } }), context);
    const secretDigest = digestOfKeySecret(secret, fixture.dependencies.pepper);
    const request = create(ResolveGrantRequestSchema, { secretDigest });
    const { grant } = await fixture.policy.resolveGrant(request, context);
    expect(grant).toMatchObject({ keyId: key!.id, teamId: team.id, organizationId: team.organizationId, permissions: [Permission.INFERENCE_USE, Permission.FILE_USE, Permission.TOKEN_CREATE, Permission.DECISION_EXPLAIN], scopes: [{ models: ["fast"] }], labels: { application: "app" }, revoked: false });
    expect(Buffer.from(grant!.secretDigest).equals(secretDigest)).toBe(true);

    await fixture.policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: key!.id }), context);
    expect((await fixture.policy.resolveGrant(request, context)).grant).toMatchObject({ keyId: key!.id, revoked: true });
  });

  it("are not found for a secret that nobody was given", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase());
    await expect(policy.resolveGrant(create(ResolveGrantRequestSchema, { secretDigest: new Uint8Array(32) }), context)).rejects.toMatchObject({ reason: "KEY_INVALID" });
  });
});

describe("a repeated request id", () => {
  it("gives the same result, without the secret", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const { policy } = fixture;
    const createOrganization = () => policy.createOrganization(create(CreateOrganizationRequestSchema, { name: "acme", requestId: "1" }), context);
    const { organization } = await createOrganization();
    expect((await createOrganization()).organization).toEqual(organization);

    const createTeam = () => policy.createTeam(create(CreateTeamRequestSchema, { organizationId: organization!.id, name: "research", requestId: "1" }), context);
    const { team } = await createTeam();
    expect((await createTeam()).team).toEqual(team);

    const createKey = (labels: Record<string, string>) => policy.createKey(create(CreateKeyRequestSchema, { teamId: team!.id, name: "app", labels, requestId: "1" }), context);
    const first = await createKey({ a: "1", b: "2" });
    expect(isKeySecret(first.secret)).toBe(true);
    const second = await createKey({ b: "2", a: "1" });
    expect(second.key).toEqual(first.key);
    expect(second.secret).toBe("");

    const revoke = () => policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: first.key!.id, requestId: "1" }), context);
    expect(await revoke()).toEqual(await revoke());
  });

  it("is refused with other input", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const team = await createTestTeam(fixture);
    const request = { teamId: team.id, name: "app", scope: { models: ["fast"] }, labels: { a: "1" }, requestId: "1" };
    const { key } = await fixture.policy.createKey(create(CreateKeyRequestSchema, request), context);
    for (const change of [{ name: "other" }, { role: Role.INSTALLATION_ADMIN }, { scope: { models: [] } }, { labels: { a: "2" } }]) {
      await expect(fixture.policy.createKey(create(CreateKeyRequestSchema, { ...request, ...change }), context)).rejects.toMatchObject({ reason: "INVALID_REQUEST", fieldViolations: [{ field: "request_id" }] });
    }
    const other = await createTestKey(fixture, team.id);
    await fixture.policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: other.key!.id, requestId: "2" }), context);
    await expect(fixture.policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: key!.id, requestId: "2" }), context)).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
    expect(await listAllKeyIds(fixture, {})).toHaveLength(2);
  });

  it("creates one key, and tells one secret, when the calls come all at once", async () => {
    const fixture = await startPolicy(await createEmptyDatabase());
    const team = await createTestTeam(fixture);
    const request = create(CreateKeyRequestSchema, { teamId: team.id, name: "app", requestId: "1" });
    const answers = await Promise.all(Array.from({ length: 12 }, () => fixture.policy.createKey(request, context)));
    expect(new Set(answers.map(({ key }) => key!.id)).size).toBe(1);
    expect(answers.filter(({ secret }) => secret !== "")).toHaveLength(1);
    expect(await listAllKeyIds(fixture, {})).toHaveLength(1);
  });

  it("is free again when the call had failed", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase());
    const request = (name: string) => create(CreateTeamRequestSchema, { organizationId: "org_none", name, requestId: "1" });
    await expect(policy.createTeam(request("a"), context)).rejects.toMatchObject({ reason: "NOT_FOUND" });
    await expect(policy.createTeam(request("b"), context)).rejects.toMatchObject({ reason: "NOT_FOUND" });
  });

  it("is forgotten after a week", async () => {
    const { policy, dependencies } = await startPolicy(await createEmptyDatabase());
    const createOrganization = (name: string, requestId: string) => policy.createOrganization(create(CreateOrganizationRequestSchema, { name, requestId }), context);
    await createOrganization("acme", "1");
    await createOrganization("globex", "2");
    await dependencies.database.query("UPDATE answered_requests SET answer_time = now() - interval '8 days' WHERE request_id = '1'");
    await createOrganization("initech", "3");
    const { rows } = await dependencies.database.query<{ request_id: string }>("SELECT request_id FROM answered_requests ORDER BY request_id");
    expect(rows.map(({ request_id }) => request_id)).toEqual(["2", "3"]);
  });
});

describe("text that PostgreSQL cannot store", () => {
  it("is refused as a fault of the request", async () => {
    const { policy } = await startPolicy(await createEmptyDatabase());
    const calls = [
      () => policy.createTeam(create(CreateTeamRequestSchema, { organizationId: "org_\0", name: "a" }), context),
      () => policy.createKey(create(CreateKeyRequestSchema, { teamId: "team_\0", name: "a" }), context),
      () => policy.listKeys(create(ListKeysRequestSchema, { teamId: "team_\0" }), context),
      () => policy.revokeKey(create(RevokeKeyRequestSchema, { keyId: "key_\0" }), context),
      () => policy.createOrganization(create(CreateOrganizationRequestSchema, { name: "a", requestId: "\0" }), context),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
  });
});

async function listAllKeyIds({ policy }: PolicyFixture, filter: { readonly organizationId?: string; readonly teamId?: string }): Promise<string[]> {
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await policy.listKeys(create(ListKeysRequestSchema, { ...filter, pageSize: 2, pageToken }), context);
    ids.push(...page.keys.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return ids;
}

/** A clock on which no two things happen at once. */
function tickingClock(): { now(): number; monotonicMs(): number } {
  let time = noon;
  return { now: () => time++, monotonicMs: () => time };
}
