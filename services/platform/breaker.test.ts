import { describe, expect, test } from "vitest";
import type { GatewayError } from "./errors.ts";
import { createBreaker, type Breaker, type Health } from "./breaker.ts";

const settings = { failurePercentage: 50, minimumCalls: 4, windowMs: 10_000, openMs: 30 };
const healthOf = (error: unknown): Health => (error as { health: Health }).health;
const fail = (health: Health) => () => Promise.reject(Object.assign(new Error(health), { health }));
const succeed = (): Promise<string> => Promise.resolve("fine");

describe("breaker", () => {
  test("opens after enough failures, and says so", async () => {
    const breaker = await openBreaker();
    await expect(breaker.run(succeed)).rejects.toMatchObject({ reason: "CIRCUIT_OPEN" });
    breaker.shutdown();
  });

  test("says when it is worth trying again", async () => {
    const breaker = createBreaker("target", { ...settings, openMs: 60_000 }, healthOf);
    for (let call = 0; call < 4; call++) await expect(breaker.run(fail("failed"))).rejects.toThrow("failed");
    const { retryAfterMs } = await breaker.run(succeed).then(() => { throw new Error("It is not open."); }, (error: GatewayError) => error);
    expect(retryAfterMs).toBeGreaterThan(50_000);
    expect(retryAfterMs).toBeLessThanOrEqual(60_000);
    breaker.shutdown();
  });

  test("does not open for a caller's mistakes", async () => {
    const breaker = createBreaker("target", settings, healthOf);
    for (let call = 0; call < 20; call++) await expect(breaker.run(fail("works"))).rejects.toThrow("works");
    expect(await breaker.run(succeed)).toBe("fine");
    breaker.shutdown();
  });

  test("opens for cuts that come after a good beginning", async () => {
    const breaker = createBreaker("target", settings, healthOf);
    for (let call = 0; call < 10; call++) {
      await breaker.run(succeed).catch(() => undefined);
      breaker.reportFailure();
      await Promise.resolve();
    }
    await expect(breaker.run(succeed)).rejects.toMatchObject({ reason: "CIRCUIT_OPEN" });
    breaker.shutdown();
  });

  test("a probe that tells nothing neither closes it nor opens it: the next call is a probe again", async () => {
    const breaker = await openBreaker();
    await expect(probe(breaker, fail("unknown"))).rejects.toThrow("unknown");
    for (let call = 0; call < 3; call++) await expect(breaker.run(fail("unknown"))).rejects.toThrow("unknown");
    expect(await breaker.run(succeed)).toBe("fine");
    // Closed: calls need not wait for each other.
    expect(await Promise.all([breaker.run(succeed), breaker.run(succeed)])).toEqual(["fine", "fine"]);
    breaker.shutdown();
  });

  test("lets one probe through at a time, also after one that told nothing, and is open after one that failed", async () => {
    const breaker = await openBreaker();
    await expect(probe(breaker, fail("unknown"))).rejects.toThrow("unknown");
    const second = breaker.run(fail("unknown"));
    await expect(breaker.run(succeed)).rejects.toMatchObject({ reason: "CIRCUIT_OPEN" });
    await expect(second).rejects.toThrow("unknown");
    const third = breaker.run(fail("failed"));
    await expect(breaker.run(succeed)).rejects.toMatchObject({ reason: "CIRCUIT_OPEN" });
    await expect(third).rejects.toThrow("failed");
    await expect(breaker.run(succeed)).rejects.toMatchObject({ reason: "CIRCUIT_OPEN" });
    expect(await probe(breaker, succeed)).toBe("fine");
    breaker.shutdown();
  });

  test("is closed by the probe alone, not by what began before it opened", async () => {
    const breaker = createBreaker("target", settings, healthOf);
    const hungUp = Promise.withResolvers<never>();
    const early = breaker.run(() => hungUp.promise);
    for (let call = 0; call < 5; call++) await expect(breaker.run(fail("failed"))).rejects.toThrow("failed");
    const slow = Promise.withResolvers<string>();
    const begun = Promise.withResolvers<void>();
    const probed = probe(breaker, () => (begun.resolve(), slow.promise));
    await begun.promise;
    hungUp.reject(Object.assign(new Error("unknown"), { health: "unknown" }));
    await expect(early).rejects.toThrow("unknown");
    await expect(breaker.run(succeed)).rejects.toMatchObject({ reason: "CIRCUIT_OPEN" });
    slow.resolve("fine");
    expect(await probed).toBe("fine");
    expect(await breaker.run(succeed)).toBe("fine");
    breaker.shutdown();
  });
});

async function openBreaker(): Promise<Breaker> {
  const breaker = createBreaker("target", settings, healthOf);
  for (let call = 0; call < 4; call++) await expect(breaker.run(fail("failed"))).rejects.toThrow("failed");
  return breaker;
}

/** Runs the action as soon as the circuit lets one call through. */
async function probe(breaker: Breaker, action: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    let ran = false;
    const outcome = breaker.run(() => {
      ran = true;
      return action();
    });
    await outcome.catch(() => undefined);
    if (ran) return outcome;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
