/** Owns the proof of when a credential is obtained, shown, renewed and given up. */
import { describe, expect, it, vi } from "vitest";
import type { Clock } from "#platform/clock.ts";
import { createLogger } from "#platform/logger.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { ObtainedCredential } from "../../domain/credentials/credential-source.ts";
import { RenewedCredential } from "./renewed-credential.ts";

const hourMs = 3_600_000;

/** A service that gives credentials `key-1`, `key-2`, … as the test tells it to, at a time that the test sets. */
function createWorld(lifetimeMs = hourMs) {
  const time = { nowMs: 1_000_000, stepMs: 0, sleptMs: 0 };
  const clock: Clock = { now: () => time.nowMs + time.stepMs, monotonicMs: () => time.nowMs - time.sleptMs };
  const calls: PromiseWithResolvers<ObtainedCredential>[] = [];
  const signals: AbortSignal[] = [];
  const source = new RenewedCredential({
    provider: "main",
    obtain: (_nowMs, signal) => {
      signals.push(signal);
      calls.push(Promise.withResolvers());
      return calls.at(-1)!.promise;
    },
    clock,
    logger: createLogger("silent"),
  });
  const give = (index: number): void => calls[index]!.resolve({ credential: new Secret(`key-${index + 1}`), expiresAtMs: clock.now() + lifetimeMs });
  const shown = (): string | undefined => source.choose()?.reveal();
  return { time, calls, signals, source, give, shown };
}

async function obtained(lifetimeMs?: number) {
  const world = createWorld(lifetimeMs);
  const first = world.source.prepare();
  world.give(0);
  await first;
  return world;
}

/** Lets what was given arrive. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a renewed credential", () => {
  it("is obtained once for all who wait for the first", async () => {
    const { source, calls, give, shown } = createWorld();
    const waiting = [source.prepare(), source.prepare(), source.prepare()];
    give(0);
    for (const promise of waiting) await promise;
    expect(calls).toHaveLength(1);
    expect(shown()).toBe("key-1");
  });

  it("lets nobody wait while it is good, and is renewed five minutes before its end", async () => {
    const { source, time, calls, give, shown } = await obtained();
    time.nowMs += hourMs - 300_001;
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(1);
    time.nowMs += 1;
    expect([source.prepare(), source.prepare()]).toEqual([undefined, undefined]);
    expect(calls).toHaveLength(2);
    expect(shown()).toBe("key-1");
    give(1);
    await settled();
    expect(shown()).toBe("key-2");
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(2);
  });

  it("is renewed in time, and when it is refused, though the clock was set back meanwhile", async () => {
    const { source, time, calls, give } = await obtained();
    time.stepMs = -5 * hourMs;
    time.nowMs += 10_000;
    source.refused(source.choose()!);
    const waiting = source.prepare();
    expect(waiting).toBeDefined();
    give(1);
    await waiting;
    time.stepMs = -9 * hourMs;
    time.nowMs += hourMs - 300_000;
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(3);
  });

  it("is obtained anew where it ended while the machine slept", async () => {
    const { source, time, give, shown } = await obtained();
    time.nowMs += 2 * hourMs;
    time.sleptMs += 2 * hourMs;
    const waiting = source.prepare();
    expect(waiting).toBeInstanceOf(Promise);
    give(1);
    await waiting;
    expect(shown()).toBe("key-2");
  });

  it("of a short life is renewed in its last quarter", async () => {
    const { source, time, calls } = await obtained(200_000);
    time.nowMs += 149_999;
    void source.prepare();
    expect(calls).toHaveLength(1);
    time.nowMs += 1;
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(2);
  });

  it("without an end is never renewed", async () => {
    const { source, time, calls } = await obtained(Infinity);
    time.nowMs += 1000 * hourMs;
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(1);
  });

  it("is not shown in its last seconds: who comes then waits for the next", async () => {
    const { source, time, give, shown } = await obtained();
    time.nowMs += hourMs - 30_000;
    const waiting = source.prepare();
    expect(waiting).toBeInstanceOf(Promise);
    give(1);
    await waiting;
    expect(shown()).toBe("key-2");
  });

  it("outlives a failed renewal, which is tried again after a pause", async () => {
    const { source, time, calls, shown } = await obtained();
    time.nowMs += hourMs - 200_000;
    void source.prepare();
    calls[1]!.reject(new Error("down"));
    await settled();
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(2);
    time.nowMs += 5_000;
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(3);
    expect(shown()).toBe("key-1");
  });

  it("that cannot be had is a typed error, at once for all who come within the pause, and tried again after it", async () => {
    const { source, time, calls, give, shown } = createWorld();
    const failed = { reason: "DEPENDENCY_UNAVAILABLE", metadata: { provider: "main", dependency: "credential" } };
    const waiting = [source.prepare(), source.prepare()];
    calls[0]!.reject(new Error("invalid_grant for secret-canary"));
    for (const promise of waiting) await expect(promise).rejects.toMatchObject(failed);
    await expect(source.prepare()).rejects.toMatchObject(failed);
    await expect(source.prepare()).rejects.not.toMatchObject({ message: expect.stringContaining("secret-canary") });
    expect(calls).toHaveLength(1);
    time.nowMs += 5_000;
    const again = source.prepare();
    give(1);
    await again;
    expect(shown()).toBe("key-2");
  });

  it("that cannot be had has a problem for whoever looks, who has it tried again after a minute", async () => {
    const { source, time, calls, give } = createWorld();
    expect(source.problem()).toBeUndefined();
    source.prepare()?.catch(() => undefined);
    calls[0]!.reject(new Error("Vault is away"));
    await settled();
    time.nowMs += 64_999;
    expect(source.problem()).toBe("Vault is away");
    expect(calls).toHaveLength(1);
    time.nowMs += 1;
    expect(source.problem()).toBe("Vault is away");
    expect(calls).toHaveLength(2);
    give(1);
    await settled();
    expect(source.problem()).toBeUndefined();
  });

  it("is not waited for longer than its deadline, by whatever does not listen to the signal either", async () => {
    vi.useFakeTimers();
    try {
      const { source, signals } = createWorld();
      const waiting = expect(source.prepare()).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
      await vi.advanceTimersByTimeAsync(10_000);
      await waiting;
      expect(signals[0]?.aborted).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it("that has ended when it comes is none", async () => {
    const { source, give } = createWorld(0);
    const waiting = source.prepare();
    give(0);
    await expect(waiting).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  });

  it("is obtained anew when the vendor refuses it, but not when it was just obtained, nor for the sake of an earlier one", async () => {
    const { source, time, calls, give } = await obtained();
    const first = source.choose()!;
    source.refused(first);
    expect(source.prepare()).toBeUndefined();
    time.nowMs += 5_000;
    source.refused(first);
    const waiting = source.prepare();
    give(1);
    await waiting;
    time.nowMs += 5_000;
    source.refused(first);
    expect(source.prepare()).toBeUndefined();
    expect(calls).toHaveLength(2);
  });
});

it("says in the log why it failed, without what the cause quotes", async () => {
  const lines: unknown[] = [];
  const logger = { ...createLogger("silent"), warn: (facts: unknown) => lines.push(facts) };
  const obtain = (): Promise<never> => Promise.reject(new Error(`Unexpected token 'x', "-----BEGIN "..." is not valid JSON`));
  const source = new RenewedCredential({ provider: "main", obtain, clock: { now: () => 0, monotonicMs: () => 0 }, logger: logger as never });
  await source.prepare()?.catch(() => undefined);
  expect(lines).toEqual([{ provider: "main", cause: `Unexpected token 'x', "…" is not valid JSON` }]);
});
