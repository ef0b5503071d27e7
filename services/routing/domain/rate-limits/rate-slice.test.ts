import fc from "fast-check";
import { expect, test } from "vitest";
import { RateSlice, type SliceAsk, type SliceGrant } from "./rate-slice.ts";

const windowMs = 1_000;

/** Policy as the processes know it: whatever it grants, it counts, and it grants no more than is left. */
class Central {
  readonly #amount: number;
  #windowTimeMs = 0;
  #used = 0;

  constructor(amount: number) {
    this.#amount = amount;
  }

  /** `generosity` says how much of what could be granted is. */
  draw({ need, want, debt, credit, windowTimeMs }: SliceAsk, nowMs: number, generosity: number): SliceGrant {
    const present = nowMs - (nowMs % windowMs);
    if (present !== this.#windowTimeMs) this.#used = 0;
    this.#windowTimeMs = present;
    this.#used += debt - (windowTimeMs === present ? credit : 0);
    const left = this.#amount - this.#used;
    const granted = left < Math.max(1, need) ? 0 : Math.min(left, Math.max(need, Math.floor(want * generosity)));
    this.#used += granted;
    return { granted, windowTimeMs: present, windowRestMs: present + windowMs - nowMs, remaining: left - granted };
  }
}

interface Step {
  readonly process: number;
  readonly kind: "take" | "turn" | "undo" | "ask" | "arrive" | "answer" | "lose";
  readonly amount: number;
  readonly waitMs: number;
}

const step = fc.record<Step>({
  process: fc.integer({ min: 0, max: 2 }),
  kind: fc.constantFrom("take", "take", "take", "turn", "undo", "ask", "ask", "arrive", "arrive", "answer", "answer", "lose"),
  amount: fc.integer({ min: 1, max: 5 }),
  // Most of what happens, happens at once: else windows would be over before they are full.
  waitMs: fc.oneof({ weight: 15, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constantFrom(7, 90, 400) }),
});

interface Process {
  readonly slice: RateSlice;
  /** How far its clock is from the database's. */
  readonly skewMs: number;
  /** What is on its way to policy, or back. */
  asked: { readonly ask: SliceAsk; readonly askedMs: number; grant?: SliceGrant } | undefined;
  taken: { readonly amount: number; readonly windowTimeMs: number } | undefined;
}

test("however draws, answers, losses, takings and windows interleave, no window admits more than it has room for", () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 12 }), fc.array(step, { minLength: 100, maxLength: 200, size: "max" }), fc.array(fc.integer({ min: -5_000, max: 5_000 }), { minLength: 3, maxLength: 3 }), (amount, steps, skews) => {
      const central = new Central(amount);
      const processes = skews.map((skewMs): Process => ({ slice: new RateSlice(), skewMs, asked: undefined, taken: undefined }));
      const admitted = new Map<number, number>();
      const count = (windowTimeMs: number, change: number): void => void admitted.set(windowTimeMs, (admitted.get(windowTimeMs) ?? 0) + change);
      let nowMs = 10_000;
      for (const { process: index, kind, amount: many, waitMs } of steps) {
        nowMs += waitMs;
        const process = processes[index]!;
        const ownMs = nowMs + process.skewMs;
        const { slice, asked } = process;
        if (kind === "take" && slice.take(many, ownMs)) {
          // By the database's clock, whatever the process believes.
          process.taken = { amount: many, windowTimeMs: nowMs - (nowMs % windowMs) };
          count(process.taken.windowTimeMs, many);
        } else if (kind === "undo" && process.taken !== undefined) {
          count(process.taken.windowTimeMs, -process.taken.amount);
          slice.correct(-process.taken.amount, process.taken.windowTimeMs, ownMs);
          process.taken = undefined;
        } else if (kind === "turn") slice.turn(ownMs);
        else if (kind === "ask" && asked === undefined) process.asked = { ask: slice.ask(Math.max(0, many - 3), 2 * many, ownMs), askedMs: ownMs };
        else if (kind === "arrive" && asked !== undefined && asked.grant === undefined) process.asked = { ...asked, grant: central.draw(asked.ask, nowMs, (many - 1) / 4) };
        else if (kind === "answer" && asked?.grant !== undefined) {
          slice.receive(asked.grant, asked.askedMs, ownMs);
          process.asked = undefined;
        } else if (kind === "lose" && asked !== undefined) {
          slice.fail(asked.ask);
          process.asked = undefined;
        }
        if ([...admitted.values()].some((sum) => sum > amount)) throw new Error(`More than ${amount} were admitted.`);
      }
    }),
    { numRuns: 500 },
  );
});

test("what turns out to be less can be taken again in its window alone", () => {
  const slice = new RateSlice();
  slice.receive({ granted: 10, windowTimeMs: 1_000, windowRestMs: 500, remaining: 0 }, 0, 0);
  expect(slice.take(10, 100)).toBe(true);
  slice.correct(-4, 0, 200);
  expect(slice.take(1, 200)).toBe(false);
  slice.correct(-4, 1_000, 200);
  expect(slice.take(4, 200)).toBe(true);
  slice.correct(-4, 1_000, 500);
  expect(slice.take(1, 500)).toBe(false);
});

test("what turns out to be more is taken from what is in hand, and the rest is told to policy", () => {
  const slice = new RateSlice();
  slice.receive({ granted: 10, windowTimeMs: 1_000, windowRestMs: 500, remaining: 100 }, 0, 0);
  slice.take(4, 0);
  slice.correct(9, 1_000, 100);
  expect(slice.take(1, 100)).toBe(false);
  const ask = slice.ask(0, 0, 100);
  expect(ask.debt).toBe(3);
  slice.fail(ask);
  expect(slice.ask(0, 0, 100).debt).toBe(3);
});

test("draws ahead what two turns take while calls are many, and gives back what a turn did not touch", () => {
  const slice = new RateSlice();
  slice.receive({ granted: 50, windowTimeMs: 1_000, windowRestMs: 60_000, remaining: 100 }, 0, 0);
  for (let call = 0; call < 20; call++) slice.take(1, 1);
  expect(slice.turn(100)).toBe(false);
  expect(slice.ask(1, 1, 100)).toMatchObject({ need: 0, want: 1 + 40 - 30, credit: 0 });
  slice.turn(200);
  expect(slice.turn(300)).toBe(true);
  expect(slice.ask(0, 0, 300)).toMatchObject({ want: 0, credit: 30, windowTimeMs: 1_000 });
});

test("whoever is told to come again comes when the next window has begun, and not in the moment between", () => {
  const slice = new RateSlice();
  slice.receive({ granted: 5, windowTimeMs: 1_000, windowRestMs: 500, remaining: 0 }, 100, 180);
  expect(slice.take(1, 599)).toBe(true);
  expect(slice.take(1, 600)).toBe(false);
  expect(slice.resetMs).toBe(681);
});

test("what is left is told alike while what is given back or owed is on its way", () => {
  const slice = new RateSlice();
  slice.receive({ granted: 10, windowTimeMs: 1_000, windowRestMs: 500, remaining: 90 }, 0, 0);
  slice.take(4, 1);
  expect(slice.remaining).toBe(96);
  slice.ask(0, 0, 2);
  expect(slice.remaining).toBe(96);
  slice.correct(20, 1_000, 3);
  expect(slice.remaining).toBe(76);
  slice.ask(0, 0, 4);
  expect(slice.remaining).toBe(76);
});
