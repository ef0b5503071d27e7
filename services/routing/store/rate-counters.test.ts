import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, expect, test } from "vitest";
import { DrawRatesResponseSchema, type DrawRatesRequest, type DrawRatesResponse, RateLimitSchema } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { admitCall, type AdmittedCall } from "../domain/rate-limits/rate-admission.ts";
import { readRateLimit, type AppliedLimit } from "../domain/rate-limits/rate-limit.ts";
import { RateCounters } from "./rate-counters.ts";

const facts = { organization: "org_1", team: "team_1", key: "key_1", member: "", model: "m", route: "", operation: "Generate", labels: {} };
const requests = limit("requests", 10n);
const tokens = limit("tokens", 1_000n);
const concurrent = limit("concurrent_requests", 2n);
const streams = limit("concurrent_streams", 1n);

let counters: RateCounters;
afterEach(() => counters.stop());

test("whoever asks while policy is being asked goes along with the next draw, and all counters of a call are asked for at once", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  await Promise.all(Array.from({ length: 5 }, () => admit([requests, tokens])));
  expect(policy.draws.map(({ rates }) => rates.length)).toEqual([2]);
});

test("as many as there are come in, and the others are told when the window ends", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  const outcomes = await Promise.allSettled(Array.from({ length: 12 }, () => admit([requests])));
  expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
  const refused = outcomes.find(({ status }) => status === "rejected") as PromiseRejectedResult;
  expect(refused.reason).toMatchObject({ reason: "RATE_LIMITED", rateLimits: [{ limit: 10n, remaining: 0n }], quotaViolations: [{ quotaId: "rlm_requests", subject: 'organization="org_1" key="key_1"' }] });
  expect((refused.reason as GatewayError).retryAfterMs).toBeGreaterThan(59_000);
});

test("a refusal is believed for a moment, so that a flood of refused calls asks policy seldom", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  for (let call = 0; call < 10; call++) await admit([requests]);
  await expect(admit([requests])).rejects.toMatchObject({ reason: "RATE_LIMITED" });
  const drawn = policy.draws.length;
  for (let call = 0; call < 500; call++) await expect(admit([requests])).rejects.toMatchObject({ reason: "RATE_LIMITED" });
  expect(policy.draws.length).toBeLessThanOrEqual(drawn + 20);
});

test("a call that one limit refuses takes nothing of the others", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  const running = [await admit([concurrent]), await admit([concurrent])];
  for (let call = 0; call < 30; call++) await expect(admit([requests, concurrent])).rejects.toMatchObject({ reason: "RATE_LIMITED", metadata: { rate_limit: "rlm_concurrent_requests" } });
  for (const call of running) call.fail();
  for (let call = 0; call < 10; call++) (await admit([requests, concurrent])).fail();
});

test("estimates of calls that fail are given back, so that nobody is refused for what was never used", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  for (let call = 0; call < 50; call++) (await admit([tokens], { input: 300, output: 600 })).fail();
  await admit([tokens], { input: 400, output: 600 });
  await expect(admit([tokens], { input: 1, output: 0 })).rejects.toMatchObject({ reason: "RATE_LIMITED" });
});

test("a call that is larger than a whole window gets in with the whole window", async () => {
  counters = new RateCounters({ policy: new TestPolicy(), clock: systemClock });
  await admit([tokens], { input: 0, output: 128_000 });
  await expect(admit([tokens], { input: 1, output: 0 })).rejects.toMatchObject({ reason: "RATE_LIMITED" });
});

test("only streams take of a limit on streams", async () => {
  counters = new RateCounters({ policy: new TestPolicy(), clock: systemClock });
  for (let call = 0; call < 3; call++) await admit([streams]);
  await admit([streams], undefined, true);
  await expect(admit([streams], undefined, true)).rejects.toMatchObject({ reason: "RATE_LIMITED" });
});

test("while policy is away what is in hand serves, what needs more is unavailable, at once and never a refusal, and afterwards all is well", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  await admit([requests]);
  const held = await admit([concurrent]);
  (await admit([tokens], { input: 400, output: 400 })).fail();
  policy.isAway = true;
  await expect(admit([requests])).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  held.fail();
  // Longer than it would be kept if it could be given back.
  await new Promise((resolve) => setTimeout(resolve, 350));
  const again = await admit([concurrent]);
  await admit([tokens], { input: 400, output: 400 });
  await expect(admit([requests])).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  await expect(admit([concurrent])).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  const drawn = policy.draws.length;
  for (let call = 0; call < 200; call++) await expect(admit([requests])).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  expect(policy.draws.length - drawn).toBeLessThan(20);
  policy.isAway = false;
  await expect.poll(() => admit([requests]).then(() => true, () => false)).toBe(true);
  again.fail();
});

test("policy that is back is found without a call, so that the first one gets in", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  policy.isAway = true;
  await expect(admit([requests, concurrent])).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  policy.isAway = false;
  const drawn = policy.draws.length;
  await expect.poll(() => policy.draws.length).toBeGreaterThan(drawn);
  (await admit([requests, concurrent])).fail();
});

test("policy that does not answer is away after a second", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  policy.isSilent = true;
  await expect(admit([requests])).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  const beganMs = performance.now();
  await expect(admit([requests])).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  expect(performance.now() - beganMs).toBeLessThan(50);
  policy.isSilent = false;
});

test("what was drawn and not used goes back at the end", async () => {
  const policy = new TestPolicy();
  counters = new RateCounters({ policy, clock: systemClock });
  (await admit([tokens], { input: 100, output: 100 })).fail();
  await counters.stop();
  expect([...policy.used.values()]).toEqual([0]);
});

const noSpending = () => ({ before: () => 0, after: () => 0 });

function limit(count: string, amount: bigint): AppliedLimit {
  return readRateLimit(create(RateLimitSchema, { id: `rlm_${count}`, rule: { name: count, count, amount, window: count.startsWith("concurrent") ? "" : "minute", per: ["key"] } }))!;
}

async function admit(limits: readonly AppliedLimit[], estimate = { input: 10, output: 10 }, isStream = false): Promise<AdmittedCall> {
  return admitCall({ facts, isStream, tokens: () => estimate, spending: noSpending }, limits, counters.counterOf);
}

/** Policy with one process and one window that never ends. */
class TestPolicy {
  readonly draws: DrawRatesRequest[] = [];
  readonly used = new Map<string, number>();
  isAway = false;
  isSilent = false;

  readonly peekRates = (): Promise<never> => Promise.reject(new Error("nobody asks"));

  readonly drawRates = async (request: DrawRatesRequest): Promise<DrawRatesResponse> => {
    this.draws.push(request);
    if (this.isSilent) return new Promise(() => undefined);
    if (this.isAway) throw new GatewayError("DEPENDENCY_UNAVAILABLE", "The database is down.");
    const rates = request.rates.map(({ rateLimitId, amount, need, want, debt, credit }) => {
      const used = (this.used.get(rateLimitId) ?? 0) + Number(debt) - Number(credit);
      const left = Number(amount) - used;
      const granted = left < Math.max(1, Number(need)) ? 0 : Math.min(left, Math.max(Number(need), Number(want)));
      this.used.set(rateLimitId, used + granted);
      return { granted: BigInt(granted), windowTime: timestampFromMs(60_000), windowRest: durationFromMs(60_000), remaining: BigInt(left - granted) };
    });
    const permits = request.permits.map(({ amount, running, want }) => ({ granted: BigInt(Math.max(Number(running), Math.min(Number(want), Number(amount)))) }));
    return create(DrawRatesResponseSchema, { rates, permits, lease: durationFromMs(15_000) });
  };
}
