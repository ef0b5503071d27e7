import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { seededRandom } from "../../../../test/harness/random.ts";
import { seed } from "../../../../test/harness/seed.ts";
import type { Target } from "./plan.ts";
import { drawFrom, orderTargets, type Latency, type OrderSights, type TargetOrder } from "./target-order.ts";

const provider = create(ProviderSchema, { name: "any" });
const targets: readonly Target[] = ["a", "b", "c"].map((name) => ({ name, provider, model: "m", breakerName: name }));

function namesInOrder(order: TargetOrder, sights: Partial<OrderSights> = {}): string {
  const nothing: OrderSights = { drawOf: () => 0, nanosAt: () => undefined, latencyAt: () => ({ ms: undefined, isDue: false }) };
  return orderTargets(targets, order, { ...nothing, ...sights })
    .map(({ name }) => name)
    .join("");
}

test("nothing is lost and nothing is doubled, whatever is known", () => {
  const order = fc.oneof(fc.constantFrom<TargetOrder>({ by: "listed" }, { by: "price" }, { by: "latency" }), fc.dictionary(fc.constantFrom("a", "b", "c"), fc.integer({ min: 1, max: 1_000_000 })).map((weights): TargetOrder => ({ by: "weight", weights, stickyLabel: "" })));
  const latency = fc.record({ ms: fc.option(fc.double({ min: 0, noNaN: true }), { nil: undefined }), isDue: fc.boolean() });
  fc.assert(
    fc.property(order, fc.array(fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n }), { nil: undefined }), { minLength: 3, maxLength: 3 }), fc.array(latency, { minLength: 3, maxLength: 3 }), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (by, nanos, latencies, drawn) => {
      const names = namesInOrder(by, { drawOf: () => drawn, nanosAt: (target) => nanos[targets.indexOf(target)], latencyAt: (target) => latencies[targets.indexOf(target)]! });
      expect([...names].sort().join("")).toBe("abc");
    }),
  );
});

test("the cheapest comes first, what has no price last, and equal ones as listed", () => {
  const priced = (nanos: Record<string, bigint>): string => namesInOrder({ by: "price" }, { nanosAt: ({ name }) => nanos[name] });
  expect(priced({ a: 3n, b: 2n, c: 1n })).toBe("cba");
  expect(priced({ b: 5n, c: 0n })).toBe("cba");
  expect(priced({ a: 7n, b: 7n, c: 6n })).toBe("cab");
  expect(priced({})).toBe("abc");
});

test("the soonest comes first, who is due before it, and who has told nothing yet last", () => {
  const measured = (latencies: Record<string, Latency>): string => namesInOrder({ by: "latency" }, { latencyAt: ({ name }) => latencies[name]! });
  const unknown = { ms: undefined, isDue: false };
  expect(measured({ a: { ms: 90, isDue: false }, b: unknown, c: { ms: 80, isDue: false } })).toBe("cab");
  expect(measured({ a: { ms: 90, isDue: false }, b: { ms: 500, isDue: true }, c: { ms: 80, isDue: false } })).toBe("bca");
  expect(measured({ a: unknown, b: unknown, c: unknown })).toBe("abc");
});

describe("by weight", () => {
  const draws = 20_000;
  const random = seededRandom(seed);
  const share = (wanted: (names: string) => boolean, weights: Record<string, number>): number => {
    let times = 0;
    for (let draw = 0; draw < draws; draw++) times += wanted(namesInOrder({ by: "weight", weights, stickyLabel: "" }, { drawOf: random })) ? 1 : 0;
    return times / draws;
  };

  // Six times the spread of so many draws is 0.022 at most.
  test("each is first as often as its weight says, and so is the next of the rest", () => {
    expect(share((names) => names.startsWith("a"), { a: 6, b: 3, c: 1 })).toBeCloseTo(0.6, 1);
    expect(share((names) => names.startsWith("c"), { a: 6, b: 3, c: 1 })).toBeCloseTo(0.1, 1);
    expect(share((names) => names === "abc", { a: 6, b: 3, c: 1 })).toBeCloseTo(0.6 * 0.75, 1);
  });

  test("one without a weight is never before one that has one", () => {
    expect(share((names) => names.endsWith("b"), { a: 1, c: 1_000_000 })).toBe(1);
  });

  test("who is drawn alike is shared as the weights say, and moves only to a target that has won weight", () => {
    const orderOf = (caller: number, weights: Record<string, number>): string => namesInOrder({ by: "weight", weights, stickyLabel: "end_user" }, { drawOf: ({ name }) => drawFrom(["org_1", `${caller} of ${seed}`, name]) });
    const callers = 2_000;
    let first = 0;
    for (let caller = 0; caller < callers; caller++) {
      const before = orderOf(caller, { a: 6, b: 3, c: 1 });
      const after = orderOf(caller, { a: 6, b: 3, c: 2 });
      expect(orderOf(caller, { a: 6, b: 3, c: 1 })).toBe(before);
      if (after[0] !== before[0]) expect(after[0]).toBe("c");
      first += before.startsWith("a") ? 1 : 0;
    }
    expect(first / callers).toBeCloseTo(0.6, 1);
  });
});
