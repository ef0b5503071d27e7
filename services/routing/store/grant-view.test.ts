import { createSecretKey } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, onTestFinished, test } from "vitest";
import { GrantSchema, VouchedCallerSchema, type Grant, type VouchedCaller } from "#gen/weir/policy/v1/grant_pb.ts";
import { ResolveGrantResponseSchema, WatchGrantsResponseSchema, type WatchGrantsResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { TokenClaimsSchema } from "#gen/weir/policy/v1/token_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { secretMarkOf, signToken } from "#platform/secrets/access-token.ts";
import { GatewayError } from "#platform/errors.ts";
import { digestOfKeySecret } from "#platform/secrets/key-secret.ts";
import { createLogger } from "#platform/logger.ts";
import { authenticate } from "../domain/admission/admit.ts";
import { GrantView } from "./grant-view.ts";
import { askFirstAfterMs, recheckAfterMs } from "./vouched-callers.ts";
import { mostUnknown, unknownForMs } from "./unknown-secrets.ts";

const pepper = createSecretKey(Buffer.from("pepper of the tests"));
const unknownKey = new GatewayError("KEY_INVALID", "Not known.");

describe("a secret that is not in the view", () => {
  test("is asked for once, however many ask, and not again while it counts as unknown", async () => {
    const policy = await startPolicy();
    policy.answer = () => Promise.reject(unknownKey);
    const first = await Promise.allSettled(Array.from({ length: 50 }, () => policy.view.resolve("secret")));
    for (const outcome of first) expect(outcome).toMatchObject({ status: "rejected", reason: { reason: "KEY_INVALID" } });
    await expect(policy.view.resolve("secret")).rejects.toMatchObject({ reason: "KEY_INVALID" });
    expect(policy.questions).toBe(1);
    policy.nowMs += unknownForMs;
    await expect(policy.view.resolve("secret")).rejects.toMatchObject({ reason: "KEY_INVALID" });
    expect(policy.questions).toBe(2);
  });

  test("is known as soon as its key is pushed", async () => {
    const policy = await startPolicy();
    policy.answer = () => Promise.reject(unknownKey);
    await expect(policy.view.resolve("secret")).rejects.toMatchObject({ reason: "KEY_INVALID" });
    await policy.push({ grants: [grantOf("key_1", "secret")] });
    expect(policy.view.find("secret")?.grant.keyId).toBe("key_1");
    expect(await policy.view.resolve("secret")).toMatchObject({ grant: { keyId: "key_1" } });
  });

  test("is asked for again after a new snapshot", async () => {
    const policy = await startPolicy();
    policy.answer = () => Promise.reject(unknownKey);
    await expect(policy.view.resolve("secret")).rejects.toMatchObject({ reason: "KEY_INVALID" });
    await policy.push({ snapshot: true, pepper: pepper.export() });
    policy.answer = () => Promise.resolve(grantOf("key_1", "secret"));
    expect(await policy.view.resolve("secret")).toMatchObject({ grant: { keyId: "key_1" } });
  });

  test("does not count as unknown because policy was down", async () => {
    const policy = await startPolicy();
    policy.answer = () => Promise.reject(new GatewayError("DEPENDENCY_UNAVAILABLE", "Down."));
    await expect(policy.view.resolve("secret")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    policy.answer = () => Promise.resolve(grantOf("key_1", "secret"));
    expect(await policy.view.resolve("secret")).toMatchObject({ grant: { keyId: "key_1" } });
  });

  test("is one of a bounded number: beyond it those that were asked for first are forgotten, and no more than so many are asked for at once", async () => {
    const policy = await startPolicy();
    policy.answer = () => Promise.reject(unknownKey);
    for (let index = 0; index <= mostUnknown; index++) await policy.view.resolve(`secret ${index}`).catch(() => undefined);
    const { questions } = policy;
    await policy.view.resolve("secret 1").catch(() => undefined);
    expect(policy.questions).toBe(questions);
    await policy.view.resolve("secret 0").catch(() => undefined);
    expect(policy.questions).toBe(questions + 1);

    let answer!: (error: GatewayError) => void;
    const answered = new Promise<Grant>((_, reject) => (answer = reject));
    policy.answer = () => answered;
    const many = Array.from({ length: 101 }, (_, index) => policy.view.resolve(`another ${index}`).catch((error: GatewayError) => error.reason));
    expect(await many[100]).toBe("OVERLOADED");
    answer(unknownKey);
    expect(new Set(await Promise.all(many.slice(0, 100)))).toEqual(new Set(["KEY_INVALID"]));
  });

  test("does not bring back what was pushed while policy was asked", async () => {
    const policy = await startPolicy();
    let answer!: (grant: Grant) => void;
    policy.answer = () => new Promise((resolve) => (answer = resolve));
    const asked = policy.view.resolve("old secret");
    await policy.push({ grants: [grantOf("key_1", "new secret")] });
    answer(grantOf("key_1", "old secret"));
    await expect(asked).rejects.toMatchObject({ reason: "KEY_INVALID" });
    expect(policy.view.find("old secret")).toBeUndefined();
  });

  test("that a key has just got is good at once, before the rotation is pushed", async () => {
    const policy = await startPolicy();
    await policy.push({ grants: [grantOf("key_1", "old secret")] });
    policy.answer = () => Promise.resolve(grantOf("key_1", "new secret", { previousSecretDigest: digestOf("old secret"), previousSecretExpireTime: timestampFromMs(500) }));
    expect(await policy.view.resolve("new secret")).toMatchObject({ grant: { keyId: "key_1" }, endMs: Infinity });
    expect(policy.view.find("old secret")).toMatchObject({ endMs: 500 });
  });
});

test("a rotated key is found by both secrets, the former of which ends; with the next rotation it is gone", async () => {
  const policy = await startPolicy();
  await policy.push({ grants: [grantOf("key_1", "a")] });
  await policy.push({ grants: [grantOf("key_1", "b", { previousSecretDigest: digestOf("a"), previousSecretExpireTime: timestampFromMs(500) })] });
  expect(policy.view.find("a")).toMatchObject({ endMs: 500, grant: { keyId: "key_1" } });
  expect(policy.view.find("b")).toMatchObject({ endMs: Infinity });
  await policy.push({ grants: [grantOf("key_1", "c", { previousSecretDigest: digestOf("b"), previousSecretExpireTime: timestampFromMs(900), expireTime: timestampFromMs(700) })] });
  expect(policy.view.find("a")).toBeUndefined();
  expect(policy.view.find("b")).toMatchObject({ endMs: 700 });
  expect(policy.view.find("c")).toMatchObject({ endMs: 700 });
});

test("a connection brings along nothing but time: another secret on it, a rotated key and a new pepper count at once", async () => {
  const policy = await startPolicy();
  const connection = {};
  const keyFor = (secret: string): string | undefined => policy.view.find(secret, connection)?.grant.keyId;
  await policy.push({ grants: [grantOf("key_1", "a"), grantOf("key_2", "b")] });
  expect([keyFor("a"), keyFor("a"), keyFor("b"), keyFor("a")]).toEqual(["key_1", "key_1", "key_2", "key_1"]);
  await policy.push({ grants: [grantOf("key_1", "c")] });
  expect([keyFor("a"), keyFor("c")]).toEqual([undefined, "key_1"]);
  const newPepper = createSecretKey(Buffer.from("another pepper"));
  await policy.push({ snapshot: true, pepper: newPepper.export(), grants: [create(GrantSchema, { keyId: "key_3", secretDigest: digestOfKeySecret("c", newPepper) })] });
  expect(keyFor("c")).toBe("key_3");
});

test("who watches a key is told when it is revoked, also by a snapshot, and not after the watch", async () => {
  const policy = await startPolicy();
  const told: string[] = [];
  policy.view.watch("key_1", (error) => told.push(`first ${error.reason}`));
  policy.view.watch("key_2", () => told.push("other key"));
  policy.view.watch("key_1", () => told.push("ended"))();
  await policy.push({ grants: [grantOf("key_1", "a")] });
  await policy.push({ snapshot: true, pepper: pepper.export(), grants: [grantOf("key_1", "a", { revoked: true })] });
  expect(told).toEqual(["first KEY_REVOKED"]);
});

test("while a long snapshot comes, keys that it has not named yet are known as before, and those that it never names are gone when it is complete", async () => {
  const policy = await startPolicy();
  const known = (...secrets: string[]): (string | undefined)[] => secrets.map((secret) => policy.view.find(secret)?.grant.keyId);
  await policy.push({ grants: [grantOf("key_1", "a"), grantOf("key_2", "b"), grantOf("key_3", "c")] });
  const begin = { snapshot: true, snapshotComplete: false, pepper: pepper.export() };
  await policy.push({ ...begin, grants: [grantOf("key_1", "new a")] });
  expect(known("a", "new a", "b", "c")).toEqual([undefined, "key_1", "key_2", "key_3"]);
  // Policy was gone before it had told all.
  await policy.push({ ...begin, grants: [grantOf("key_1", "newer a")] });
  await policy.push({ grants: [grantOf("key_4", "d")] });
  expect(known("newer a", "b", "c", "d")).toEqual(["key_1", "key_2", "key_3", "key_4"]);
  await policy.push({ snapshotComplete: true, grants: [grantOf("key_2", "b")] });
  expect(known("newer a", "b", "c", "d")).toEqual(["key_1", "key_2", undefined, "key_4"]);
  await policy.push({ ...begin, pepper: Buffer.from("another pepper"), grants: [] });
  expect(known("newer a", "b", "d")).toEqual([undefined, undefined, undefined]);
});

describe("a token of a key", () => {
  const tokenOf = (secret: string): string => signToken(create(TokenClaimsSchema, { keyId: "key_1", expireTime: timestampFromMs(60_000), secretMark: secretMarkOf(digestOf(secret)) }), pepper).reveal();

  test("is good at once where the rotation has not been heard of before it was made", async () => {
    const policy = await startPolicy();
    await policy.push({ grants: [grantOf("key_1", "old secret")] });
    policy.answer = () => Promise.resolve(grantOf("key_1", "new secret", { previousSecretDigest: digestOf("old secret"), previousSecretExpireTime: timestampFromMs(30_000) }));
    expect(await policy.view.resolve(tokenOf("new secret"))).toMatchObject({ endMs: 60_000 });
    expect(policy.view.find(tokenOf("old secret"))).toMatchObject({ endMs: 30_000 });
  });

  test("of a secret that the key has no more is refused from memory, once policy has been asked", async () => {
    const policy = await startPolicy();
    await policy.push({ grants: [grantOf("key_1", "new secret")] });
    policy.answer = () => Promise.resolve(grantOf("key_1", "new secret"));
    for (let call = 0; call < 3; call++) await expect(policy.view.resolve(tokenOf("old secret"))).rejects.toMatchObject({ reason: "TOKEN_EXPIRED" });
    expect(policy.questions).toBe(1);
    expect(policy.view.find(tokenOf("new secret"))).toBeDefined();
  });
});

describe("a token of an issuer", () => {
  const token = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl";
  const caller = create(VouchedCallerSchema, { expireTime: timestampFromMs(10 * recheckAfterMs), labels: { department: "physics", channel: "token" }, permissions: [Permission.USAGE_READ] });

  test("is asked for once, and opens its key's grant with what it says itself, without work for each call", async () => {
    const policy = await startPolicy();
    policy.caller = caller;
    policy.answer = () => Promise.resolve(vouchedGrant({ labels: { channel: "key" }, permissions: [Permission.INFERENCE_USE] }));
    const [opened] = await Promise.all([policy.view.resolve(token), policy.view.resolve(token)]);
    expect(opened).toMatchObject({ endMs: 10 * recheckAfterMs, grant: { keyId: "key_1", permissions: [Permission.USAGE_READ], labels: { department: "physics", channel: "key" } } });
    expect(policy.view.find(token)).toBe(opened);
    expect(policy.questions).toBe(1);
    await policy.push({ grants: [vouchedGrant({ revoked: true })] });
    expect(policy.view.find(token)).toMatchObject({ grant: { revoked: true, permissions: [Permission.USAGE_READ] } });
  });

  test("is refused from memory for a while, with the reason that policy gave", async () => {
    const policy = await startPolicy();
    policy.answer = () => Promise.reject(new GatewayError("CALLER_NOT_ALLOWED", "No rule."));
    for (let call = 0; call < 3; call++) await expect(policy.view.resolve(token)).rejects.toMatchObject({ reason: "CALLER_NOT_ALLOWED" });
    expect(policy.questions).toBe(1);
    policy.nowMs += 10_000;
    policy.caller = caller;
    policy.answer = () => Promise.resolve(vouchedGrant());
    expect(await policy.view.resolve(token)).toBeDefined();
  });

  test("is asked for again beside the calls, serves while policy is down, and no longer once it says no", async () => {
    const policy = await startPolicy();
    policy.caller = caller;
    policy.answer = () => Promise.resolve(vouchedGrant());
    await policy.view.resolve(token);
    policy.nowMs += recheckAfterMs;
    policy.answer = () => Promise.reject(new GatewayError("DEPENDENCY_UNAVAILABLE", "Down."));
    expect(policy.view.find(token)).toBeDefined();
    await new Promise(setImmediate);
    expect(policy.view.find(token)).toBeDefined();
    expect(policy.questions).toBe(2);
    policy.nowMs += 10_000;
    policy.answer = () => Promise.reject(new GatewayError("TOKEN_INVALID", "Another issuer."));
    expect(policy.view.find(token)).toBeDefined();
    await new Promise(setImmediate);
    expect(policy.view.find(token)).toBeUndefined();
    await expect(policy.view.resolve(token)).rejects.toMatchObject({ reason: "TOKEN_INVALID" });
  });
});

describe("a token of an issuer that lay idle", () => {
  const token = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmF0dXJl";
  const startIdle = async (): Promise<ScriptedPolicy> => {
    const policy = await startPolicy();
    policy.caller = create(VouchedCallerSchema, { expireTime: timestampFromMs(10 * askFirstAfterMs), permissions: [Permission.USAGE_READ] });
    policy.answer = () => Promise.resolve(vouchedGrant());
    await policy.view.resolve(token);
    policy.nowMs += askFirstAfterMs;
    return policy;
  };

  test("comes in by what is said of it now, with its first call", async () => {
    const policy = await startIdle();
    policy.answer = () => Promise.reject(new GatewayError("CALLER_NOT_ALLOWED", "No rule any more."));
    expect(policy.view.find(token)).toBeUndefined();
    await expect(policy.view.resolve(token)).rejects.toMatchObject({ reason: "CALLER_NOT_ALLOWED" });
  });

  test("comes in by what was said of it while policy is down, which is not asked at each call", async () => {
    const policy = await startIdle();
    policy.answer = () => Promise.reject(new GatewayError("DEPENDENCY_UNAVAILABLE", "Down."));
    expect(await policy.view.resolve(token)).toMatchObject({ grant: { permissions: [Permission.USAGE_READ] } });
    expect(policy.view.find(token)).toBeDefined();
    policy.nowMs += 10_000;
    expect(policy.view.find(token)).toBeUndefined();
  });
});

test("while an issuer of tokens hangs, keys and sessions are looked up as ever", async () => {
  const policy = await startPolicy();
  policy.answer = () => new Promise(() => undefined);
  const tokens = Array.from({ length: 100 }, (_, index) => `eyJhbGciOiJFUzI1NiJ9.e30.${index}`);
  for (const token of tokens) void policy.view.resolve(token);
  await expect(policy.view.resolve("eyJhbGciOiJFUzI1NiJ9.e30.more")).rejects.toMatchObject({ reason: "OVERLOADED" });
  policy.caller = create(VouchedCallerSchema, { expireTime: timestampFromMs(500) });
  policy.answer = () => Promise.resolve(grantOf("key_1", "secret"));
  expect(await policy.view.resolve("secret")).toMatchObject({ grant: { keyId: "key_1" } });
  expect(await policy.view.resolve({ sessionSecret: `weirs_${"a".repeat(43)}` })).toMatchObject({ grant: { keyId: "key_1" } });
});

describe("a session at the console", () => {
  const session = { sessionSecret: `weirs_${"a".repeat(43)}` };

  test("is asked for at each call, and once for calls at the same time, and opens its key's grant with what it gives", async () => {
    const policy = await startPolicy();
    policy.caller = create(VouchedCallerSchema, { expireTime: timestampFromMs(500), permissions: [Permission.USAGE_READ] });
    policy.answer = () => Promise.resolve(vouchedGrant({ permissions: [Permission.INFERENCE_USE] }));
    const [opened] = await Promise.all([policy.view.resolve(session), policy.view.resolve(session)]);
    expect(opened).toMatchObject({ endMs: 500, grant: { keyId: "key_1", permissions: [Permission.USAGE_READ] } });
    expect(policy.questions).toBe(1);
    policy.answer = () => Promise.reject(new GatewayError("SESSION_INVALID", "Over."));
    for (let call = 0; call < 2; call++) await expect(policy.view.resolve(session)).rejects.toMatchObject({ reason: "SESSION_INVALID" });
    expect(policy.questions).toBe(3);
  });

  test("is nothing as text", async () => {
    const policy = await startPolicy();
    policy.answer = () => Promise.resolve(vouchedGrant());
    await expect(authenticate({ credential: session.sessionSecret, address: "127.0.0.1", origin: undefined }, policy.view, 0)).rejects.toMatchObject({ reason: "KEY_INVALID" });
    expect(policy.questions).toBe(0);
  });
});

describe("what is known of grants", () => {
  test("has no age while policy does not tell of its database", async () => {
    const policy = await startPolicy();
    policy.nowMs += 60_000;
    expect(policy.view.ageMs).toBe(0);
  });

  test("is as old as policy's own contact with its database, and older while nothing is heard", async () => {
    const policy = await startPolicy();
    await policy.push({ databaseAge: durationFromMs(300) });
    expect(policy.view.ageMs).toBe(300);
    policy.nowMs += 500;
    expect(policy.view.ageMs).toBe(800);
    await policy.push({ databaseAge: durationFromMs(100) });
    expect(policy.view.ageMs).toBe(100);
  });

  test("decides on strict keys for a second, and on others for as long as it takes", async () => {
    const policy = await startPolicy();
    await policy.push({ grants: [grantOf("key_1", "weir_strict", { consistency: Consistency.STRICT }), grantOf("key_2", "weir_stale", { consistency: Consistency.STALE_OK })], databaseAge: durationFromMs(0) });
    const enter = (credential: string): Promise<Grant> => authenticate({ credential, address: "127.0.0.1", origin: undefined }, policy.view, policy.nowMs);
    policy.nowMs += 1_000;
    expect(await enter("weir_strict")).toMatchObject({ keyId: "key_1" });
    policy.nowMs += 1;
    await expect(enter("weir_strict")).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", httpStatus: 503 });
    expect(await enter("weir_stale")).toMatchObject({ keyId: "key_2" });
    const entering = enter("weir_strict");
    await policy.push({ databaseAge: durationFromMs(0) });
    expect(await entering).toMatchObject({ keyId: "key_1" });
  });
});

describe("a strict key that changed while nothing was heard of policy", () => {
  const strict = { consistency: Consistency.STRICT };
  const enterLate = async (): Promise<{ policy: ScriptedPolicy; entering: Promise<Grant> }> => {
    const policy = await startPolicy();
    await policy.push({ grants: [grantOf("key_1", "weir_strict", strict)], databaseAge: durationFromMs(0) });
    policy.nowMs += 1_001;
    return { policy, entering: authenticate({ credential: "weir_strict", address: "127.0.0.1", origin: undefined }, policy.view, policy.nowMs) };
  };

  test.each([
    ["revoked", { revoked: true }, "KEY_REVOKED"],
    ["bound to other addresses", { scopes: [{ ipRanges: ["10.0.0.0/8"] }] }, "ADDRESS_NOT_ALLOWED"],
  ])("%s, is refused to the call that waited for a word", async (_, change, reason) => {
    const { policy, entering } = await enterLate();
    void policy.push({ grants: [grantOf("key_1", "weir_strict", { ...strict, ...change })] });
    void policy.push({ databaseAge: durationFromMs(0) });
    await expect(entering).rejects.toMatchObject({ reason });
  });

  test("is told as withdrawn to who begins to watch it then", async () => {
    const { policy, entering } = await enterLate();
    void policy.push({ databaseAge: durationFromMs(0) });
    const { keyId } = await entering;
    await policy.push({ grants: [grantOf("key_1", "weir_strict", { ...strict, revoked: true })] });
    const told: string[] = [];
    policy.view.watch(keyId, ({ reason }) => told.push(reason));
    expect(told).toEqual(["KEY_REVOKED"]);
  });
});

interface ScriptedPolicy {
  readonly view: GrantView;
  questions: number;
  nowMs: number;
  /** What of a token's caller goes with each answer. */
  caller: VouchedCaller | undefined;
  answer: () => Promise<Grant>;
  /** Resolves when the view has it. */
  push(message: Partial<Pick<WatchGrantsResponse, "snapshot" | "snapshotComplete" | "grants" | "pepper" | "databaseAge">>): Promise<void>;
}

/** A policy that answers and pushes as it is told, after an empty snapshot. */
async function startPolicy(): Promise<ScriptedPolicy> {
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  const pushes: { message: WatchGrantsResponse; applied: () => void }[] = [];
  let wake = (): void => undefined;
  stopping.signal.addEventListener("abort", () => wake());
  const push: ScriptedPolicy["push"] = (message) =>
    new Promise((applied) => {
      pushes.push({ message: create(WatchGrantsResponseSchema, message), applied });
      wake();
    });
  async function* watchGrants(): AsyncIterable<WatchGrantsResponse> {
    while (!stopping.signal.aborted) {
      const next = pushes.shift();
      if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else {
        yield next.message;
        // The consumer is back for more, so it has applied it.
        next.applied();
      }
    }
  }
  const resolveGrant = async (): ReturnType<GrantViewPolicy["resolveGrant"]> => {
    scripted.questions++;
    return create(ResolveGrantResponseSchema, { grant: await scripted.answer(), ...(scripted.caller && { caller: scripted.caller }) });
  };
  const scripted = { questions: 0, nowMs: 0, caller: undefined, answer: () => Promise.reject(unknownKey), push } as Omit<ScriptedPolicy, "view">;
  const clock = { now: () => scripted.nowMs, monotonicMs: () => scripted.nowMs };
  const following = GrantView.follow({ policy: { watchGrants, resolveGrant }, clock, logger: createLogger("silent"), signal: stopping.signal });
  await push({ snapshot: true, pepper: pepper.export() });
  return Object.assign(scripted, { view: await following });
}

type GrantViewPolicy = Parameters<typeof GrantView.follow>[0]["policy"];

function grantOf(keyId: string, secret: string, more: MessageInitShape<typeof GrantSchema> = {}): Grant {
  return Object.assign(create(GrantSchema, { keyId, secretDigest: digestOf(secret) }), create(GrantSchema, more), { keyId, secretDigest: digestOf(secret) });
}

/** The grant of a caller for whom an issuer vouches: it has no secret. */
function vouchedGrant(more: MessageInitShape<typeof GrantSchema> = {}): Grant {
  return create(GrantSchema, { keyId: "key_1", ...more });
}

function digestOf(secret: string): Uint8Array {
  return digestOfKeySecret(secret, pepper);
}
