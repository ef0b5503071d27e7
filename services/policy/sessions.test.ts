/** Proves when sessions at the console end: by time, with the key or the secret that opened them, and with what the rules say of their person. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, onTestFinished, test } from "vitest";
import { ResolveGrantRequestSchema, type ResolveGrantResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { CreateKeyRequestSchema, RotateKeyRequestSchema, type CreateKeyResponse } from "#gen/weir/policy/v1/key_pb.ts";
import { CreateMemberRequestSchema, UpdateMemberRequestSchema } from "#gen/weir/policy/v1/member_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { CreateSessionRequestSchema, DeleteSessionRequestSchema } from "#gen/weir/policy/v1/session_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { exchangeThroughEgress } from "#platform/egress/egress-exchange.ts";
import { digestOfKeySecret } from "#platform/secrets/key-secret.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { digestOfSessionSecret } from "#platform/secrets/session-secret.ts";
import { createEmptyDatabase } from "../../test/harness/database.ts";
import { startTokenIssuer } from "../../test/harness/token-issuer.ts";
import { longestIdleMs, longestSessionMs, mostSessionsOfKey } from "./domain/session-terms.ts";
import { IdentityTokens } from "./edge/identity-tokens.ts";
import { callContext, createTestTeam, policyConfig, startPolicy, type PolicyFixture } from "./policy.fixture.ts";
import { Sessions } from "./sessions.ts";

const issuer = "https://login.example.com";

class ManualClock {
  nowMs = Date.UTC(2026, 0, 1);
  now(): number {
    return this.nowMs;
  }
  monotonicMs(): number {
    return this.nowMs;
  }
}

interface Bench extends PolicyFixture {
  readonly clock: ManualClock;
  readonly organizationId: string;
  readonly newKey: (init?: { readonly role?: Role; readonly memberId?: string }) => Promise<CreateKeyResponse>;
  /** The secret of a new session. */
  readonly open: (keySecret: string) => Promise<string>;
  /** Rejects when it is over. */
  readonly find: (secret: string) => Promise<ResolveGrantResponse>;
}

async function startBench(): Promise<Bench> {
  const clock = new ManualClock();
  const fixture = await startPolicy(await createEmptyDatabase(), clock);
  const { policy, dependencies } = fixture;
  const { id: teamId, organizationId } = await createTestTeam(fixture);
  return {
    ...fixture,
    clock,
    organizationId,
    newKey: (init) => policy.createKey(create(CreateKeyRequestSchema, { teamId, name: "ops", ...(init?.memberId === undefined && { role: Role.OWNER }), ...init }), callContext()),
    open: async (keySecret) => (await policy.createSession(create(CreateSessionRequestSchema, { credential: { case: "secretDigest", value: digestOfKeySecret(keySecret, dependencies.pepper) } }), callContext())).secret,
    find: (secret) => policy.resolveGrant(create(ResolveGrantRequestSchema, { sessionDigest: digestOfSessionSecret(secret, dependencies.pepper) }), callContext()),
  };
}

const over = { reason: "SESSION_INVALID" };

test("a session ends when it was not used for an hour, and eight hours after it began", async () => {
  const { clock, newKey, open, find } = await startBench();
  const { key, secret } = await newKey();
  const [used, idle] = [await open(secret), await open(secret)];
  const beginMs = clock.nowMs;
  expect(await find(used)).toMatchObject({ grant: { keyId: key!.id }, session: { name: "ops", role: Role.OWNER } });
  clock.nowMs = beginMs + longestIdleMs - 1;
  await find(used);
  clock.nowMs = beginMs + longestIdleMs;
  await expect(find(idle)).rejects.toMatchObject(over);
  while (clock.nowMs < beginMs + longestSessionMs - longestIdleMs / 2) {
    clock.nowMs += longestIdleMs / 2;
    expect(timestampMs((await find(used)).caller!.expireTime!)).toBe(beginMs + longestSessionMs);
  }
  clock.nowMs = beginMs + longestSessionMs;
  await expect(find(used)).rejects.toMatchObject(over);
});

test("a session ends with the secret that opened it, and not with the one before", async () => {
  const { clock, policy, newKey, open, find } = await startBench();
  const { key, secret } = await newKey();
  const session = await open(secret);
  const rotate = (overlapMs: number) => policy.rotateKey(create(RotateKeyRequestSchema, { keyId: key!.id, overlap: durationFromMs(overlapMs) }), callContext());
  const { secret: second } = await rotate(60_000);
  const later = await open(second);
  expect(timestampMs((await find(session)).caller!.expireTime!)).toBe(clock.nowMs + 60_000);
  clock.nowMs += 60_000;
  await expect(find(session)).rejects.toMatchObject(over);
  await expect(open(secret)).rejects.toMatchObject({ reason: "KEY_INVALID" });
  await find(later);
  await rotate(0);
  await expect(find(later)).rejects.toMatchObject(over);
});

test("a session that is ended twice is over, and no other is", async () => {
  const { policy, newKey, open, find } = await startBench();
  const { secret } = await newKey();
  const [ended, other] = [await open(secret), await open(secret)];
  const { session } = await find(ended);
  for (let time = 0; time < 2; time++) await policy.deleteSession(create(DeleteSessionRequestSchema, { sessionId: session!.id }), callContext());
  await expect(find(ended)).rejects.toMatchObject(over);
  await find(other);
});

test("a key has so many sessions; one more ends the one that was not used for longest, and none of another key", async () => {
  const { clock, newKey, open, find } = await startBench();
  const [{ secret }, { secret: otherSecret }] = [await newKey(), await newKey()];
  const other = await open(otherSecret);
  const sessions: string[] = [];
  for (let count = 0; count < mostSessionsOfKey; count++) sessions.push(await open(secret));
  clock.nowMs += 120_000;
  await find(sessions[0]!);
  await open(secret);
  await find(sessions[0]!);
  await find(other);
  const found = await Promise.allSettled(sessions.map(find));
  expect(found.filter(({ status }) => status === "rejected")).toHaveLength(1);
});

test("what is over leaves the table with the next sign-in", async () => {
  const { clock, dependencies, newKey, open } = await startBench();
  const { secret } = await newKey();
  await open(secret);
  clock.nowMs += longestIdleMs;
  await open(secret);
  expect((await dependencies.database.query("SELECT FROM sessions")).rowCount).toBe(1);
});

test("a session has the role that its key's member has now, and is over once that is one of applications", async () => {
  const { policy, organizationId, newKey, open, find } = await startBench();
  const { member } = await policy.createMember(create(CreateMemberRequestSchema, { organizationId, email: "ada@example.com", role: Role.ADMIN }), callContext());
  const { secret } = await newKey({ memberId: member!.id });
  const session = await open(secret);
  const become = (role: Role) => policy.updateMember(create(UpdateMemberRequestSchema, { memberId: member!.id, role }), callContext());
  await become(Role.AUDITOR);
  expect((await find(session)).session).toMatchObject({ role: Role.AUDITOR });
  await become(Role.INFERENCE);
  await expect(find(session)).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  await become(Role.AUDITOR);
  await expect(find(session)).rejects.toMatchObject(over);
});

test("a person of an issuer comes by a token for the console, and by none for another client, Weir's API included", async () => {
  const provider = await startTokenIssuer();
  onTestFinished(() => provider.stop());
  const console = { issuer: provider.url, clientId: "console", origin: "https://weir.example.com" };
  const identity = { issuers: [{ issuer: provider.url, audiences: ["api"], callers: [{ organization: "acme", team: "research", role: "admin" }] }] };
  const fixture = await startPolicy(await createEmptyDatabase(), systemClock, new MutableLiveValue(policyConfig({ console, identity })));
  await createTestTeam(fixture);
  const open = async (audience: string) => fixture.policy.createSession(create(CreateSessionRequestSchema, { credential: { case: "identityToken", value: await provider.token({ audience }) } }), callContext());
  expect((await open("console")).session).toMatchObject({ name: "ada", role: Role.ADMIN });
  await expect(open("api")).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
});

test("a person of an issuer has the role of the rules as they are now, and no session once none fits, or nobody signs in there any more", async () => {
  const console = { issuer, clientId: "weir", origin: "https://weir.example.com" };
  const config = (role: string, group: string) => policyConfig({ console, identity: { issuers: [{ issuer, audiences: ["weir"], callers: [{ when: { groups: group }, organization: "acme", team: "research", role, labels: { person: "{name}" } }] }] } });
  const live = new MutableLiveValue(config("admin", "platform"));
  const fixture = await startPolicy(await createEmptyDatabase(), new ManualClock(), live);
  await createTestTeam(fixture);
  const { dependencies } = fixture;
  const sessions = new Sessions(dependencies, new IdentityTokens({ ...dependencies, exchange: exchangeThroughEgress }));
  const open = () => sessions.open({ claims: { iss: issuer, sub: "1", name: "Ada", groups: ["platform"] } });
  const [{ secret, session }, { secret: otherSecret }] = [await open(), await open()];
  const find = (ofSession = secret) => sessions.find(digestOfSessionSecret(ofSession, dependencies.pepper));
  expect(session).toMatchObject({ name: "Ada", role: Role.ADMIN });
  expect((await find()).caller.labels).toEqual({ person: "Ada" });
  live.set(config("auditor", "platform"));
  expect((await find()).session).toMatchObject({ role: Role.AUDITOR });
  live.set(config("auditor", "others"));
  await expect(find()).rejects.toMatchObject({ reason: "CALLER_NOT_ALLOWED" });
  live.set({ ...config("admin", "platform"), console: undefined });
  await expect(find(otherSecret)).rejects.toMatchObject(over);
  live.set(config("admin", "platform"));
  for (const one of [secret, otherSecret]) await expect(find(one)).rejects.toMatchObject(over);
});

test("a session keeps of what an issuer says who the person is and what the rules look at, ends when they look at more, and keeps no more than 16 KiB", async () => {
  const console = { issuer, clientId: "weir", origin: "https://weir.example.com" };
  const config = (when: Record<string, string>) => policyConfig({ console, identity: { issuers: [{ issuer, audiences: ["weir"], callers: [{ when, organization: "{tenant}", team: "research", role: "admin" }] }] } });
  const live = new MutableLiveValue(config({ "realm.roles": "operator" }));
  const fixture = await startPolicy(await createEmptyDatabase(), new ManualClock(), live);
  await createTestTeam(fixture);
  const { dependencies } = fixture;
  const sessions = new Sessions(dependencies, new IdentityTokens({ ...dependencies, exchange: exchangeThroughEgress }));
  const claims = { iss: issuer, sub: "1", name: "Ada", tenant: "acme", realm: { roles: ["operator"] }, department: "x", nonce: "n" };
  const { secret } = await sessions.open({ claims });
  const find = () => sessions.find(digestOfSessionSecret(secret, dependencies.pepper));
  expect((await dependencies.database.query("SELECT claims FROM sessions")).rows).toEqual([{ claims: { iss: issuer, sub: "1", name: "Ada", tenant: "acme", realm: { roles: ["operator"] } } }]);
  live.set(config({ "realm.roles": "operator", name: "Ada" }));
  await find();
  live.set(config({ department: "x" }));
  await expect(find()).rejects.toMatchObject(over);
  await sessions.open({ claims: { ...claims, phone: "1".repeat(20_000) } });
  await expect(sessions.open({ claims: { ...claims, department: ["x", "y".repeat(20_000)] } })).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
});
