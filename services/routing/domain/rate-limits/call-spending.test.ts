import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Meter, UsageSchema } from "#gen/weir/types/v1/usage_pb.ts";
import { ProviderSchema } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Bound, BoundRates } from "../budget/bound.ts";
import type { Target } from "../targets/plan.ts";
import { spendingOf } from "./call-spending.ts";

const target: Target = { name: "a/b", provider: create(ProviderSchema, { name: "a", vendor: "a" }), model: "b", breakerName: "a/b" };
const twoImages: Bound = { quantities: [{ meters: [Meter.IMAGES], quantity: 2n }], advice: "" };
const rates = (perMillion: [Meter, bigint][], factorMillionths = 1_000_000n) => (): BoundRates => ({ rates: new Map(perMillion), serviceTiers: undefined, factorMillionths });
const tokens = { input: 10, output: 20 };

test("text is estimated by its tokens, with the fee for the call and the organization's mark-up", () => {
  const ratesAt = rates([[Meter.INPUT_TOKENS, 1_000_000n], [Meter.OUTPUT_TOKENS, 5_000_000n], [Meter.REQUESTS, 7_000_000n]], 2_000_000n);
  const spending = spendingOf({ operation: "generate", boundAt: () => twoImages }, () => target, ratesAt);
  expect(spending.before(tokens)).toBe(2 * (10 + 100 + 7));
  expect(spending.after(create(UsageSchema, { quantities: [{ meter: Meter.OUTPUT_TOKENS, quantity: 3n }] }), target)).toBe(2 * (15 + 7));
});

test("what is no text is estimated by the most that it can cost", () => {
  const priced = rates([[Meter.IMAGES, 3_000_000n]]);
  expect(spendingOf({ operation: "generateImages", boundAt: () => twoImages }, () => target, priced).before(tokens)).toBe(6);
  const unbounded = (): Bound => {
    throw new GatewayError("UNBOUNDED_COST", "");
  };
  expect(spendingOf({ operation: "generateImages", boundAt: unbounded }, () => target, priced).before(tokens)).toBe(0);
});

test("what has no price counts as nothing before, and is not known after; no estimate leaves the numbers that are exact", () => {
  const unpriced = spendingOf({ operation: "generate", boundAt: () => twoImages }, () => target, rates([]));
  expect(unpriced.before(tokens)).toBe(0);
  expect(unpriced.after(create(UsageSchema, { quantities: [{ meter: Meter.OUTPUT_TOKENS, quantity: 3n }] }), target)).toBeUndefined();
  const dear = spendingOf({ operation: "generate", boundAt: () => twoImages }, () => target, rates([[Meter.INPUT_TOKENS, 10n ** 12n], [Meter.OUTPUT_TOKENS, 10n ** 12n]]));
  expect(dear.before({ input: 0, output: Number.MAX_SAFE_INTEGER })).toBe(100_000_000_000_000);
});

test("a route that is gone when the call ends is asked no more", () => {
  let asked = 0;
  const gone = (): Target => {
    if (asked++ > 0) throw new GatewayError("MODEL_NOT_FOUND", "");
    return target;
  };
  const spending = spendingOf({ operation: "generate", boundAt: () => twoImages }, gone, rates([[Meter.INPUT_TOKENS, 1_000_000n], [Meter.OUTPUT_TOKENS, 1_000_000n]]));
  expect([spending.before(tokens), spending.before({ input: 10, output: 5 })]).toEqual([30, 15]);
});
