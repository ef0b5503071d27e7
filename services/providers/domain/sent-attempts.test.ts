/** Owns the proof that an id is taken once, whenever it comes again. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newId } from "#platform/ids.ts";
import { maximumAgeMs, maximumSkewMs, SentAttempts } from "./sent-attempts.ts";

const idAt = (bornMs: number): string => newId("att", { now: () => bornMs, monotonicMs: () => 0 });
const beginMs = 1_800_000_000_000;

describe("SentAttempts", () => {
  it("never takes an id twice, however long between", () => {
    const step = fc.record({ afterMs: fc.nat({ max: 20_000 }), bornAgoMs: fc.integer({ min: -maximumSkewMs, max: maximumAgeMs }), again: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
        const sent = new SentAttempts(beginMs);
        const taken: string[] = [];
        let nowMs = beginMs + maximumAgeMs;
        for (const { afterMs, bornAgoMs, again } of steps) {
          nowMs += afterMs;
          const id = idAt(nowMs - bornAgoMs);
          sent.take(id, undefined, nowMs);
          taken.push(id);
          expect(() => sent.take(taken[again % taken.length]!, undefined, nowMs)).toThrowError(/sent before|start deadline/);
        }
      }),
    );
  });

  it("refuses what is late, from before its own time, from the future, or no id", () => {
    const sent = new SentAttempts(beginMs);
    const nowMs = beginMs + maximumAgeMs * 2;
    const refusal = (id: string, deadlineMs?: number): unknown => {
      try {
        return sent.take(id, deadlineMs, nowMs);
      } catch (error) {
        return (error as { reason?: string }).reason;
      }
    };
    expect(refusal(idAt(nowMs), nowMs - 1)).toBe("ATTEMPT_TOO_LATE");
    expect(refusal(idAt(nowMs - maximumAgeMs - 1))).toBe("ATTEMPT_TOO_LATE");
    expect(refusal(idAt(nowMs + maximumSkewMs + 1))).toBe("DEPENDENCY_UNAVAILABLE");
    expect(refusal("att_1")).toBe("INVALID_REQUEST");
    expect(refusal(idAt(nowMs).replace("att_", "req_"))).toBe("INVALID_REQUEST");
    expect(refusal(idAt(nowMs), nowMs)).toBeUndefined();
    const young = new SentAttempts(beginMs);
    expect(() => young.take(idAt(beginMs - 1), undefined, beginMs)).toThrowError(expect.objectContaining({ reason: "ATTEMPT_TOO_LATE" }));
  });

  it("goes on when the clock is set back, also to before its own time, and takes no id twice across that", () => {
    const sent = new SentAttempts(beginMs);
    const taken = idAt(beginMs);
    sent.take(taken, undefined, beginMs);
    const setMs = beginMs - 3_600_000;
    expect(() => sent.take(idAt(setMs - 1), undefined, setMs)).toThrowError(expect.objectContaining({ reason: "ATTEMPT_TOO_LATE" }));
    const next = idAt(setMs + 1);
    sent.take(next, undefined, setMs + 1);
    expect(() => sent.take(next, undefined, setMs + 2)).toThrowError(expect.objectContaining({ reason: "ATTEMPT_REPEATED" }));
    expect(() => sent.take(taken, undefined, setMs + 2)).toThrowError(expect.objectContaining({ reason: "DEPENDENCY_UNAVAILABLE" }));
  });
});
