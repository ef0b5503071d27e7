import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  AcquireLeaseResponseSchema,
  ReturnLeasesResponseSchema,
  WatchRecallsResponseSchema,
  type AcquireLeaseRequest,
  type AcquireLeaseResponse,
  type LeaseScope,
  type ReturnLeasesRequest,
  type ReturnLeasesResponse,
  type WatchRecallsRequest,
  type WatchRecallsResponse,
} from "#gen/weir/policy/v1/lease_pb.ts";
import { GrantSchema } from "#gen/weir/policy/v1/grant_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { createLogger } from "#platform/logger.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { Hold, Need } from "../domain/budget/hold.ts";
import { LeaseHolder } from "./lease-holder.ts";

const lifeMs = 10_000;
const clock = { now: () => Date.now(), monotonicMs: () => Date.now() };

let policy: ScriptedPolicy;
let holder: LeaseHolder;
let stopping: AbortController;

beforeEach(() => {
  vi.useFakeTimers();
  start(1_000n);
});

afterEach(async () => {
  await stop();
  vi.useRealTimers();
});

describe("a lease", () => {
  test("is asked for once by all calls that come at once, and serves them", async () => {
    const holds = await Promise.all(Array.from({ length: 20 }, () => hold(10n)));
    expect(policy.asked.length <= 4).toBe(true);
    expect(holds.every(({ leaseId }) => leaseId !== "")).toBe(true);
    expect(policy.asked[0]).toMatchObject({ organizationId: "org_1", keyId: "key_1", labels: { team: "blue" } });
  });

  test("serves at once, without a question, while something of it is left", async () => {
    await hold(10n);
    await settled();
    const questions = policy.asked.length;
    expect(holder.hold(needOf(5n), contextOf())).not.toBeInstanceOf(Promise);
    expect(policy.asked).toHaveLength(questions);
  });

  test("serves again with what ended attempts did not need", async () => {
    start(100n);
    const first = await hold(100n);
    await expect(hold(60n)).rejects.toMatchObject({ reason: "BUDGET_EXCEEDED" });
    first.spent(40n);
    await settled();
    expect(await hold(60n)).toMatchObject({ bound: { nanos: 60n } });
  });

  test("ends by the monotonic clock, counted from before it was asked for, and is given back then", async () => {
    policy.answerAfterMs = 4_000;
    const waiting = hold(10n);
    await vi.advanceTimersByTimeAsync(4_000);
    expect((await waiting).startWithinMs).toBe(lifeMs - 4_000);
    await vi.advanceTimersByTimeAsync(6_500);
    expect(policy.returned.get("lea_1")).toBe(policy.amounts.get("lea_1")! - 10n);
    void hold(10n);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(policy.asked.length > 1).toBe(true);
  });

  test("is given back at once when policy recalls it, and more of it when attempts end later", async () => {
    const drawn = await hold(10n);
    policy.recall("lea_1", "lea_unknown");
    await settled();
    const unspent = policy.amounts.get("lea_1")! - 10n;
    expect(Object.fromEntries(policy.returned)).toMatchObject({ lea_1: unspent, lea_unknown: 0n });
    drawn.spent(3n);
    await settled();
    expect(policy.returned.get("lea_1")).toBe(unspent + 7n);
    expect((await hold(10n)).leaseId).not.toBe("lea_1");
  });

  test("is given back again when policy did not hear it", async () => {
    await hold(10n);
    policy.isDown = true;
    policy.recall("lea_1");
    await settled();
    expect(policy.returned.size).toBe(0);
    policy.isDown = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(policy.returned.has("lea_1")).toBe(true);
  });

  test("is given back when the process stops", async () => {
    const drawn = await hold(10n);
    drawn.spent(10n);
    await stop();
    expect(policy.heldNanos).toBe(10n);
    await expect(hold(2_000n)).rejects.toMatchObject({ reason: "SHUTTING_DOWN" });
  });

  test("is asked for ahead of need when half of its life is over", async () => {
    await hold(10n);
    await vi.advanceTimersByTimeAsync(lifeMs / 2 + 1);
    const questions = policy.asked.length;
    await hold(10n);
    await settled();
    expect(policy.asked).toHaveLength(questions + 1);
  });
});

describe("what calls share", () => {
  test("is what policy says: keys and labels that no budget tells apart draw from one lease", async () => {
    await hold(10n, { keyId: "key_1" });
    const other = await hold(10n, { keyId: "key_2" });
    expect(other.leaseId).toBe("lea_1");
  });

  test("is no lease where budgets tell them apart", async () => {
    policy.scope = { byTeam: false, byKey: true, labelNames: ["customer"] };
    const first = await hold(10n, { keyId: "key_1", labels: { customer: "a" } });
    const leases = [
      await hold(10n, { keyId: "key_1", labels: { customer: "a", other: "x" } }),
      await hold(10n, { keyId: "key_1", labels: { customer: "b" } }),
      await hold(10n, { keyId: "key_2", labels: { customer: "a" } }),
    ].map(({ leaseId }) => leaseId);
    expect(leases[0]).toBe(first.leaseId);
    expect(new Set(leases).size).toBe(3);
  });

  test("is nothing until policy has said what: one that is refused speaks for no other", async () => {
    policy.answerAfterMs = 10;
    policy.refusedKeyId = "key_2";
    const askers = [{ keyId: "key_2" }, { keyId: "key_2" }, { keyId: "key_1" }, { keyId: "key_1", labels: { team: "red" } }];
    const outcomes = Promise.allSettled(askers.map((asker) => hold(10n, asker)));
    await vi.advanceTimersByTimeAsync(100);
    expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled", "fulfilled"]);
    expect(policy.asked).toHaveLength(3);
  });

  test("is never another organization's lease", async () => {
    await hold(10n, { organizationId: "org_1" });
    expect((await hold(10n, { organizationId: "org_2" })).leaseId).not.toBe("lea_1");
  });

  test("is no budget at all, for as long as policy says", async () => {
    policy.exempts = true;
    expect(await hold(10_000n)).toMatchObject({ leaseId: "", bound: { nanos: 10_000n } });
    expect(await hold(10_000n)).toMatchObject({ leaseId: "" });
    expect(policy.asked).toHaveLength(1);
    policy.exempts = false;
    await vi.advanceTimersByTimeAsync(lifeMs);
    await expect(hold(10_000n)).rejects.toMatchObject({ reason: "BUDGET_EXCEEDED" });
  });
});

describe("a call for which too little is left", () => {
  test("is refused, and with it those who need as much; one that needs less is served", async () => {
    start(100n);
    const outcomes = await Promise.allSettled([hold(80n), hold(80n), hold(80n), hold(80n), hold(15n)]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "rejected", "fulfilled"]);
    expect(policy.asked.length <= 4).toBe(true);
  });

  test("waits no longer than leaves time to tell it what it lacked", async () => {
    await hold(10n);
    expect(durationMs(policy.asked[0]!.maxWait!)).toBe(59_500);
  });

  test("is clamped where the budget says so", async () => {
    start(100n);
    policy.clamps = true;
    expect(await hold(400n, {}, 50n)).toMatchObject({ bound: { nanos: 100n }, clampedBy: "monthly" });
    await expect(hold(400n, {}, 50n)).rejects.toMatchObject({ reason: "BUDGET_EXCEEDED" });
  });

  test("stops waiting when its caller goes away, and leaves what comes to others", async () => {
    policy.answerAfterMs = 1_000;
    const gone = new AbortController();
    const first = hold(10n, { signal: gone.signal });
    const second = hold(10n);
    gone.abort(new GatewayError("CANCELLED", "Gone."));
    await expect(first).rejects.toMatchObject({ reason: "CANCELLED" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await second).toMatchObject({ leaseId: "lea_1" });
  });

  test("does not wait for a policy that has fallen silent, but for one that is slow", async () => {
    policy.answerAfterMs = 4_000;
    const slow = hold(10n);
    await vi.advanceTimersByTimeAsync(4_000);
    expect(await slow).toMatchObject({ leaseId: "lea_1" });

    const refusals = [expect(hold(900n)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" })];
    policy.ageMs = 3_001;
    await vi.advanceTimersByTimeAsync(2_900);
    refusals.push(expect(hold(900n)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" }));
    await vi.advanceTimersByTimeAsync(700);
    await Promise.all(refusals);
  });

  test("hears that policy cannot be asked, while one that a lease covers is served", async () => {
    await hold(10n);
    await settled();
    policy.isDown = true;
    expect(await hold(10n)).toMatchObject({ leaseId: "lea_1" });
    await expect(hold(900n)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  });
});

test("whatever is asked, drawn, given back and recalled, no lease is overdrawn and nothing is lost", async () => {
  vi.useRealTimers();
  const step = fc.oneof(
    fc.record({ kind: fc.constant("hold" as const), nanos: fc.bigInt({ min: 1n, max: 60n }), keyId: fc.constantFrom("key_1", "key_2") }),
    fc.record({ kind: fc.constant("spent" as const), part: fc.nat(100) }),
    fc.record({ kind: fc.constant("recall" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, byKey) => {
      await stop();
      start(200n);
      policy.scope = { byTeam: false, byKey, labelNames: [] };
      let spent = 0n;
      const open: Hold[] = [];
      for (const one of steps) {
        if (one.kind === "hold") await hold(one.nanos, { keyId: one.keyId }).then((drawn) => open.push(drawn), () => undefined);
        else if (one.kind === "recall") policy.recall(...policy.amounts.keys());
        else {
          const ended = open.shift();
          const cost = ((ended?.bound.nanos ?? 0n) * BigInt(one.part)) / 100n;
          ended?.spent(cost);
          spent += cost;
        }
        const drawn = spent + open.reduce((sum, { bound }) => sum + bound.nanos, 0n);
        expect(drawn <= policy.limitNanos && policy.heldNanos <= policy.limitNanos && drawn <= policy.heldNanos).toBe(true);
      }
      const drawn = spent + open.reduce((sum, { bound }) => sum + bound.nanos, 0n);
      await stop();
      expect(policy.heldNanos).toBe(drawn);
    }),
    { numRuns: 100 },
  );
});

interface Asker {
  readonly organizationId?: string;
  readonly keyId?: string;
  readonly labels?: Record<string, string>;
  readonly signal?: AbortSignal;
}

async function hold(nanos: bigint, asker: Asker = {}, floorNanos = 0n): Promise<Hold> {
  const held = Promise.resolve(holder.hold(needOf(nanos, floorNanos), contextOf(asker)));
  held.catch(() => undefined);
  if (vi.isFakeTimers()) await vi.advanceTimersByTimeAsync(0);
  return held;
}

function needOf(nanos: bigint, floorNanos = 0n): Need {
  return { bound: { nanos, outputTokens: nanos }, floorNanos, clamp: (amount) => (floorNanos > 0n && amount >= floorNanos ? { nanos: amount, outputTokens: amount } : undefined) };
}

function contextOf({ organizationId = "org_1", keyId = "key_1", labels = { team: "blue" }, signal = new AbortController().signal }: Asker = {}) {
  return { grant: create(GrantSchema, { organizationId, teamId: "team_1", keyId, budgeted: true }), labels, signal, deadlineMs: Date.now() + 60_000 };
}

async function settled(): Promise<void> {
  await vi.advanceTimersByTimeAsync(1);
}

function start(limitNanos: bigint): void {
  stopping = new AbortController();
  policy = new ScriptedPolicy(limitNanos);
  holder = new LeaseHolder({ policy, contact: policy, clock, logger: createLogger("silent"), signal: stopping.signal });
}

async function stop(): Promise<void> {
  const stopped = holder.stop();
  if (vi.isFakeTimers()) await vi.advanceTimersByTimeAsync(2_000);
  await stopped;
  stopping.abort();
}

/** One budget, of which nothing is posted: what was leased is held until it is given back. */
class ScriptedPolicy {
  readonly limitNanos: bigint;
  readonly asked: AcquireLeaseRequest[] = [];
  readonly amounts = new Map<string, bigint>();
  readonly returned = new Map<string, bigint>();
  scope: Pick<LeaseScope, "byTeam" | "byKey" | "labelNames"> = { byTeam: false, byKey: false, labelNames: [] };
  answerAfterMs = 0;
  ageMs = 0;
  isDown = false;
  clamps = false;
  exempts = false;
  /** Of this one another budget has nothing left. */
  refusedKeyId = "";
  readonly peekLease = (): Promise<never> => Promise.reject(new Error("nobody asks"));
  #recalled: string[] = [];
  #wake = (): void => undefined;

  constructor(limitNanos: bigint) {
    this.limitNanos = limitNanos;
  }

  get heldNanos(): bigint {
    let held = 0n;
    for (const [leaseId, amount] of this.amounts) held += amount - (this.returned.get(leaseId) ?? 0n);
    return held;
  }

  recall(...leaseIds: string[]): void {
    this.#recalled.push(...leaseIds);
    this.#wake();
  }

  async acquireLease(request: AcquireLeaseRequest, { signal }: CallContext): Promise<AcquireLeaseResponse> {
    this.#answerIfUp();
    this.asked.push(request);
    if (this.answerAfterMs > 0) {
      await new Promise((resolve, reject) => {
        setTimeout(resolve, this.answerAfterMs);
        signal.addEventListener("abort", () => reject(new GatewayError("CANCELLED", "Nobody waits any more.")));
      });
    }
    if (request.keyId === this.refusedKeyId) throw new GatewayError("BUDGET_EXCEEDED", "Nothing is left.");
    const { leastNanos, floorNanos, wantedNanos } = request;
    const common = { life: durationFromMs(lifeMs), scope: this.scope };
    if (this.exempts) return create(AcquireLeaseResponseSchema, common);
    const headroom = this.limitNanos - this.heldNanos;
    const isClamped = headroom < leastNanos;
    if (isClamped && !(this.clamps && floorNanos > 0n && headroom >= floorNanos)) throw new GatewayError("BUDGET_EXCEEDED", "Too little is left.");
    const half = headroom / 2n;
    const share = wantedNanos < half ? wantedNanos : half;
    const amountNanos = isClamped ? headroom : share > leastNanos ? share : leastNanos;
    const leaseId = `lea_${this.amounts.size + 1}`;
    this.amounts.set(leaseId, amountNanos);
    return create(AcquireLeaseResponseSchema, { ...common, leaseId, amountNanos, clampedBy: isClamped ? "monthly" : "" });
  }

  async returnLeases({ leases }: ReturnLeasesRequest): Promise<ReturnLeasesResponse> {
    this.#answerIfUp();
    for (const { leaseId, unspentNanos } of leases) {
      const before = this.returned.get(leaseId) ?? 0n;
      this.returned.set(leaseId, unspentNanos > before ? unspentNanos : before);
    }
    return create(ReturnLeasesResponseSchema);
  }

  async *watchRecalls(_request: WatchRecallsRequest, { signal }: CallContext): AsyncIterable<WatchRecallsResponse> {
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      if (this.#recalled.length > 0) yield create(WatchRecallsResponseSchema, { leaseIds: this.#recalled.splice(0) });
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #answerIfUp(): void {
    if (this.isDown) throw new GatewayError("DEPENDENCY_UNAVAILABLE", "Policy is down.");
  }
}
