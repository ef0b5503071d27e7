import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { GatewayError, type Reason } from "#platform/errors.ts";
import { pause, waitBeforeRetry, withRetries, type RetryOptions } from "./retrying.ts";

const failure = (reason: Reason, retryAfterMs?: number, metadata: Record<string, string> = {}): GatewayError => new GatewayError(reason, "It failed.", { metadata, ...(retryAfterMs !== undefined && { retryAfterMs }) });

/** How it went: an attempt for each of these outcomes, the last again and again, and what was waited for between them. */
async function run(outcomes: readonly (string | GatewayError)[], changes: Partial<RetryOptions> = {}): Promise<{ outcome: unknown; attempts: number; waits: readonly number[]; retried: readonly unknown[] }> {
  let attempts = 0;
  const waits: number[] = [];
  const retried: unknown[] = [];
  const attempt = (): Promise<string> => {
    const outcome = outcomes[Math.min(attempts++, outcomes.length - 1)]!;
    return typeof outcome === "string" ? Promise.resolve(outcome) : Promise.reject(outcome);
  };
  const options: RetryOptions = { most: 3, random: () => 0.5, isOpen: () => false, timeLeftMs: () => 60_000, wait: (waitMs) => waits.push(waitMs) > 0, onRetry: (error) => retried.push(error), ...changes };
  const outcome = await withRetries(attempt, options).catch((error: unknown) => error);
  return { outcome, attempts, waits, retried };
}

describe("withRetries", () => {
  const unavailable = failure("UPSTREAM_UNAVAILABLE");

  test("asks again until it goes well, and waits longer each time", async () => {
    expect(await run([unavailable, unavailable, "flow"])).toEqual({ outcome: "flow", attempts: 3, waits: [250, 500], retried: [unavailable, unavailable] });
  });

  test("fails with the last failure when it has asked as often as it may", async () => {
    const last = failure("UPSTREAM_TIMEOUT");
    expect(await run([unavailable, last], { most: 1 })).toMatchObject({ outcome: last, attempts: 2 });
    expect(await run([unavailable], { most: 0 })).toMatchObject({ outcome: unavailable, attempts: 1, waits: [] });
  });

  test.each<readonly [string, GatewayError, Partial<RetryOptions>]>([
    ["a failure that will not pass", failure("UPSTREAM_REJECTED"), {}],
    ["an account that is used up", failure("UPSTREAM_RATE_LIMITED", undefined, { status: "429", code: "insufficient_quota" }), {}],
    ["a vendor that asks for too long a wait", failure("UPSTREAM_RATE_LIMITED", 10_001), {}],
    ["a wait that does not fit", failure("UPSTREAM_RATE_LIMITED", 5_000), { timeLeftMs: () => 5_000 }],
    ["a circuit that has opened", unavailable, { isOpen: () => true }],
  ])("does not wait for %s", async (_, error, changes) => {
    expect(await run([error], changes)).toEqual({ outcome: error, attempts: 1, waits: [], retried: [] });
  });

  test("does not ask again when the wait was ended", async () => {
    expect(await run([unavailable], { wait: () => false })).toMatchObject({ outcome: unavailable, attempts: 1, retried: [] });
  });

  test("makes at most one attempt more than its retries, and never waits beyond the call's end", async () => {
    const reasons = fc.constantFrom<Reason>("UPSTREAM_UNAVAILABLE", "UPSTREAM_TIMEOUT", "UPSTREAM_INTERRUPTED", "UPSTREAM_RATE_LIMITED", "UPSTREAM_REJECTED", "CIRCUIT_OPEN", "BUDGET_EXCEEDED");
    const errors = fc.array(fc.tuple(reasons, fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined })).map(([reason, waitMs]) => failure(reason, waitMs)), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(errors, fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 30_000 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), async (outcomes, most, wholeMs, draw) => {
        let leftMs = wholeMs;
        const { attempts, retried } = await run(outcomes, { most, random: () => draw, timeLeftMs: () => leftMs, wait: (waitMs) => (leftMs -= waitMs) > -Infinity });
        expect(attempts).toBeLessThanOrEqual(most + 1);
        expect(retried).toHaveLength(attempts - 1);
        expect(leftMs).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe("waitBeforeRetry", () => {
  test("is as long as the vendor asks for", () => {
    expect(waitBeforeRetry(failure("UPSTREAM_RATE_LIMITED", 0), 3, () => 0.9)).toBe(0);
    expect(waitBeforeRetry(failure("UPSTREAM_UNAVAILABLE", 10_000), 1, () => 0.9)).toBe(10_000);
  });

  test("else is drawn from all of a time that doubles", () => {
    const longest = [1, 2, 3, 4, 5].map((retry) => waitBeforeRetry(failure("UPSTREAM_UNAVAILABLE"), retry, () => 1));
    expect(longest).toEqual([500, 1_000, 2_000, 4_000, 8_000]);
    expect(waitBeforeRetry(failure("UPSTREAM_UNAVAILABLE"), 5, () => 0)).toBe(0);
  });
});

describe("pause", () => {
  const stopped: string[] = [];
  const alarm = (rings: Promise<void>) => () => ({ rings, stop: () => void stopped.push("stopped") });

  test("lasts until the alarm, or until nobody waits any more", async () => {
    expect(await pause(50, new AbortController().signal, alarm(Promise.resolve()))).toBe(true);
    const leaving = new AbortController();
    const pausing = pause(50, leaving.signal, alarm(new Promise(() => undefined)));
    leaving.abort();
    expect(await pausing).toBe(false);
    expect(stopped).toHaveLength(2);
    expect(await pause(50, leaving.signal, () => expect.fail("an alarm was set"))).toBe(false);
  });
});
