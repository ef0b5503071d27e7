/** Owns the proof of how attempts fare at a provider whose credential is obtained. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { ObtainCredential } from "../domain/credentials/credential-source.ts";
import { bedrockVendor } from "../edge/bedrock/bedrock-vendor.ts";
import { expectedAuthorization, signedHeadersOf } from "../edge/bedrock/aws-signature.fixture.ts";
import { answerJson, completion, startScriptedVendor, type ScriptedVendor } from "../testing/scripted-vendor.ts";
import { attemptRequest, collect, contextOf, operations, startProviders, type RunningProviders } from "../testing/start-providers.ts";

const hourMs = 3_600_000;

let vendor: ScriptedVendor;
let running: RunningProviders;
let time: { readonly beganMs: number; nowMs: number };
// What the tests let pass, passes on both.
const clock: Clock = { now: () => time.nowMs, monotonicMs: () => performance.now() + time.nowMs - time.beganMs };
/** How the next credential is obtained; by default `token-1`, `token-2`, …, each good for an hour. */
let obtain: ObtainCredential;
let obtained: number;

beforeEach(async () => {
  vendor = await startScriptedVendor();
  vendor.answer(answerJson(200, completion));
  const beganMs = Date.now();
  time = { beganMs, nowMs: beganMs };
  obtained = 0;
  obtain = (nowMs) => Promise.resolve({ credential: new Secret(`token-${++obtained}`), expiresAtMs: nowMs + hourMs });
  running = await startProviders({
    provider: { baseUrl: vendor.baseUrl, credential: undefined, identity: { name: "google", settings: new Secret("{}"), obtain: (...now) => obtain(...now) } },
    clock,
  });
});
afterEach(async () => {
  await running.stop();
  await vendor.close();
});

const attempt = (signal?: AbortSignal) => collect(running.providers.attempt(attemptRequest({ attemptId: newId("att", clock), operation: operations.generate }), contextOf(signal)));
/** Ends the credential that was obtained at the start. */
const outlive = () => (time.nowMs += 2 * hourMs);
const shown = () => vendor.requests.map(({ headers }) => headers.authorization);

it("are signed with the access key of now", async () => {
  obtained = 0;
  obtain = (nowMs) => Promise.resolve({ credential: new Secret(`ASIA${++obtained}:secret-${obtained}:session-${obtained}`), expiresAtMs: nowMs + hourMs });
  const bedrock = await startProviders({
    provider: { baseUrl: vendor.baseUrl, vendor: "bedrock", adapter: bedrockVendor, credential: undefined, identity: { name: "aws", settings: new Secret("{}"), obtain } },
    clock,
  });
  for (const count of [1, 2]) {
    const { error } = await collect(bedrock.providers.attempt(attemptRequest({ attemptId: newId("att", clock), operation: operations.generate }), contextOf()));
    expect(error).toMatchObject({ reason: "UPSTREAM_PROTOCOL" });
    const { path, headers, body } = vendor.requests.at(-1)!;
    expect(headers["x-amz-security-token"]).toBe(`session-${count}`);
    const { authorization } = headers;
    expect(authorization).toBe(expectedAuthorization({ method: "POST", path, headers: headers as Record<string, string>, body: Buffer.from(body) }, `ASIA${count}`, `secret-${count}`, "us-east-1", "bedrock", signedHeadersOf(authorization!)));
    time.nowMs += 2 * hourMs;
  }
  await bedrock.stop();
});

describe("attempts with an obtained credential", () => {
  it("do not begin when the wait for it has taken all the time there was to begin", async () => {
    outlive();
    const obtainAtOnce = obtain;
    obtain = (...now) => {
      time.nowMs += 31_000;
      return obtainAtOnce(...now);
    };
    const startDeadlineTime = timestampFromMs(time.nowMs + 30_000);
    const { error } = await collect(running.providers.attempt({ ...attemptRequest({ attemptId: newId("att", clock), operation: operations.generate }), startDeadlineTime }, contextOf()));
    expect(error).toMatchObject({ reason: "ATTEMPT_TOO_LATE" });
    expect(vendor.requests).toHaveLength(0);
  });

  it("share one, and the next one once it was renewed", async () => {
    await Promise.all(Array.from({ length: 5 }, () => attempt()));
    expect(shown()).toEqual(Array(5).fill("Bearer token-1"));
    time.nowMs += hourMs - 60_000;
    // A renewal that takes its time holds nobody up.
    const renewal = Promise.withResolvers<void>();
    const obtainAtOnce = obtain;
    obtain = (...now) => renewal.promise.then(() => obtainAtOnce(...now));
    await attempt();
    renewal.resolve();
    await attempt();
    expect(shown().slice(5)).toEqual(["Bearer token-1", "Bearer token-2"]);
    time.nowMs += 2 * hourMs;
    await attempt();
    expect(shown().at(-1)).toBe("Bearer token-3");
    expect(obtained).toBe(3);
  });

  it("fail with a typed error where there is none to be had: nothing is sent, nothing recorded", async () => {
    outlive();
    obtain = () => Promise.reject(new Error("secret-canary"));
    const { error } = await attempt();
    expect(error).toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", metadata: { provider: "main", dependency: "credential" } });
    expect((error as Error).message).not.toContain("canary");
    expect(vendor.requests).toEqual([]);
    expect(running.events).toEqual([]);
  });

  it("end at once when their caller goes away while they wait for it", async () => {
    outlive();
    const waits = Promise.withResolvers<void>();
    const never = Promise.withResolvers<never>();
    obtain = () => {
      waits.resolve();
      return never.promise;
    };
    const caller = new AbortController();
    const gone = attempt(caller.signal);
    await waits.promise;
    caller.abort(new GatewayError("CANCELLED", "gone"));
    expect((await gone).error).toMatchObject({ reason: "CANCELLED" });
    never.reject(new Error("late"));
    expect(vendor.requests).toEqual([]);
  });

  it("get another one after the vendor has refused it, and show nothing of what the vendor quotes", async () => {
    await attempt();
    time.nowMs += 10_000;
    vendor.answer(answerJson(401, { error: { message: "the token token-1 was revoked" } }));
    const { error } = await attempt();
    expect(error).toMatchObject({ reason: "UPSTREAM_UNAUTHENTICATED" });
    expect(JSON.stringify(error) + (error as Error).message).not.toContain("token-1");
    vendor.answer(answerJson(200, completion));
    await attempt();
    expect(shown()).toEqual(["Bearer token-1", "Bearer token-1", "Bearer token-2"]);
  });
});
