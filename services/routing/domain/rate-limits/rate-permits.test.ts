import fc from "fast-check";
import { expect, test } from "vitest";
import { RatePermits, type PermitAsk } from "./rate-permits.ts";

const leaseMs = 15_000;

interface Step {
  readonly process: number;
  readonly kind: "take" | "release" | "turn" | "ask" | "arrive" | "answer";
  readonly waiting: number;
}

const step = fc.record<Step>({
  process: fc.integer({ min: 0, max: 2 }),
  kind: fc.constantFrom("take", "take", "release", "turn", "turn", "ask", "ask", "arrive", "arrive", "answer", "answer"),
  waiting: fc.integer({ min: 0, max: 4 }),
});

test("however draws, answers, starts and ends interleave, no more calls run than may", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { minLength: 100, maxLength: 200, size: "max" }), (amount, steps) => {
      const held = [0, 0, 0];
      const processes = held.map(() => ({ permits: new RatePermits(), running: 0, asked: undefined as { ask: PermitAsk; granted?: number } | undefined }));
      for (const { process: index, kind, waiting } of steps) {
        const process = processes[index]!;
        const { permits, asked } = process;
        if (kind === "take" && permits.take(0)) process.running++;
        else if (kind === "release" && process.running > 0) {
          permits.release();
          process.running--;
        } else if (kind === "turn") permits.turn(0);
        else if (kind === "ask" && asked === undefined) process.asked = { ask: permits.ask(waiting) };
        else if (kind === "arrive" && asked !== undefined && asked.granted === undefined) {
          const others = held.reduce((sum, many, other) => sum + (other === index ? 0 : many), 0);
          held[index] = Math.max(asked.ask.running, Math.min(asked.ask.want, amount - others));
          process.asked = { ...asked, granted: held[index]! };
        } else if (kind === "answer" && asked?.granted !== undefined) {
          permits.receive({ granted: asked.granted, leaseMs, remaining: 0 }, 0);
          process.asked = undefined;
        }
        if (processes.reduce((sum, { running }) => sum + running, 0) > amount) throw new Error(`More than ${amount} run.`);
      }
    }),
    { numRuns: 500 },
  );
});

test("a lease is renewed before it ends, and nothing starts after it", () => {
  const permits = new RatePermits();
  permits.receive({ granted: 2, leaseMs, remaining: 0 }, 0);
  expect(permits.take(0)).toBe(true);
  permits.turn(100);
  expect(permits.turn(6_000)).toBe(true);
  expect(permits.take(15_000)).toBe(false);
});

test("permits that no call had for a turn are given up", () => {
  const permits = new RatePermits();
  permits.receive({ granted: 3, leaseMs, remaining: 0 }, 0);
  permits.take(0);
  permits.release();
  permits.turn(100);
  expect(permits.turn(200)).toBe(true);
  expect(permits.ask(0)).toEqual({ running: 0, want: 0 });
});
