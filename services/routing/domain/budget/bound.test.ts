import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { BoundSum, clampBound, priceBound, priceLeast, priceUsage, type Bound, type BoundRates } from "./bound.ts";

const inputMeters = [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS];
const outputMeters = [Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS];
const name = "openai/model";

const rate = fc.bigInt({ min: 0n, max: 1_000_000_000_000n });
const tokens = fc.bigInt({ min: 0n, max: 2_000_000n });
const boundRates: fc.Arbitrary<BoundRates> = fc.record({
  rates: fc
    .tuple(rate, rate, fc.dictionary(fc.constantFrom(...[...inputMeters.slice(1), Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_MILLISECONDS, Meter.REQUESTS].map(String)), rate))
    .map(([input, output, others]) => {
      // As metering tells them: what has no rate of its own has that of the meter that it belongs to.
      const known: [Meter, bigint][] = [...inputMeters.map((meter): [Meter, bigint] => [meter, input]), ...outputMeters.map((meter): [Meter, bigint] => [meter, output])];
      return new Map([...known, ...Object.entries(others).map(([meter, nanos]): [Meter, bigint] => [Number(meter) as Meter, nanos])]);
    }),
  serviceTiers: fc.constant(undefined),
  factorMillionths: fc.bigInt({ min: 0n, max: 3_000_000n }),
});
const call = fc.record({ input: tokens, candidates: fc.bigInt({ min: 1n, max: 8n }), maximum: fc.bigInt({ min: 1n, max: 128_000n }), least: fc.bigInt({ min: 0n, max: 300n }), milliseconds: tokens });
type Asked = typeof call extends fc.Arbitrary<infer Value> ? Value : never;

function boundOf({ input, candidates, maximum, least, milliseconds }: Asked): Bound {
  return {
    quantities: [
      { meters: inputMeters, quantity: input, needsPrice: true },
      { meters: [Meter.AUDIO_MILLISECONDS], quantity: milliseconds },
    ],
    output: { meters: outputMeters, candidates, maximumTokens: maximum, leastTokens: least },
    advice: "",
  };
}

/** A usage that a vendor can report for it: within the bound, split over the meters in any way. */
function usageWithin({ input, candidates, maximum, milliseconds }: Asked, parts: readonly number[]): { meter: Meter; quantity: bigint }[] {
  const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0] = parts;
  const share = (total: bigint, part: number): bigint => (total * BigInt(part)) / 100n;
  const uncached = share(input, first);
  const cached = share(input - uncached, second);
  const words = share(candidates * maximum, third);
  return [
    { meter: Meter.INPUT_TOKENS, quantity: uncached },
    { meter: Meter.CACHED_INPUT_TOKENS, quantity: cached },
    { meter: Meter.CACHE_WRITE_5M_INPUT_TOKENS, quantity: input - uncached - cached },
    { meter: Meter.OUTPUT_TOKENS, quantity: words },
    { meter: Meter.REASONING_OUTPUT_TOKENS, quantity: share(candidates * maximum - words, fourth) },
    { meter: Meter.AUDIO_MILLISECONDS, quantity: share(milliseconds, fifth) },
  ];
}

/** Metering's rule in other words: exact sums, the charge rounded half up once. Undefined when a part of it has no price. */
function chargeOf(usage: readonly { meter: Meter; quantity: bigint }[], { rates, factorMillionths }: BoundRates): bigint | undefined {
  const counted = usage.filter(({ quantity }) => quantity > 0n);
  if (counted.length === 0) return 0n;
  let millionths = rates.get(Meter.REQUESTS) ?? 0n;
  for (const { meter, quantity } of counted) {
    const nanos = rates.get(meter);
    if (nanos === undefined) return undefined;
    millionths += quantity * nanos;
  }
  const divisor = 1_000_000n * 1_000_000n;
  return (millionths * factorMillionths + divisor / 2n) / divisor;
}

describe("a bound", () => {
  test("costs no less than any usage within it, and what is given back leaves as much as is charged", () => {
    fc.assert(
      fc.property(call, boundRates, fc.array(fc.nat(100), { minLength: 5, maxLength: 5 }), (asked, rates, parts) => {
        const usage = usageWithin(asked, parts);
        const charge = chargeOf(usage, rates);
        const kept = priceUsage({ quantities: usage as never }, rates);
        // What has no price in a part is posted at the full bound.
        if (charge === undefined) return kept === undefined;
        return charge <= kept! && kept! <= priceBound(boundOf(asked), rates, name).nanos;
      }),
      { numRuns: 1_000 },
    );
  });

  test("clamped to an amount has the largest output maximum that fits it, and never less than makes sense", () => {
    fc.assert(
      fc.property(call, boundRates, fc.bigInt({ min: 0n, max: 10_000_000_000_000n }), (asked, rates, amount) => {
        const bound = boundOf(asked);
        const priceAt = (maximum: bigint): bigint => priceBound(boundOf({ ...asked, maximum }), rates, name).nanos;
        const clamped = clampBound(bound, rates, amount, name);
        const least = asked.least < asked.maximum ? asked.least : asked.maximum;
        expect(priceLeast(bound, rates, name)).toBe(priceAt(least));
        if (clamped === undefined) return priceAt(least) > amount;
        const { nanos, outputTokens } = clamped;
        expect(nanos).toBe(priceAt(outputTokens!));
        expect(nanos <= amount && outputTokens! >= least).toBe(true);
        return outputTokens === asked.maximum || priceAt(outputTokens! + 1n) > amount;
      }),
      { numRuns: 1_000 },
    );
  });

  const asked: Asked = { input: 1_000n, candidates: 1n, maximum: 500n, least: 256n, milliseconds: 0n };
  const rates: BoundRates = { rates: new Map([[Meter.INPUT_TOKENS, 2_000_000_000n], [Meter.OUTPUT_TOKENS, 10_000_000_000n]]), serviceTiers: undefined, factorMillionths: 1_000_000n };

  test("of several is that of all of them, to the nano-dollar that is rounded up", () => {
    fc.assert(
      fc.property(fc.array(call, { minLength: 1, maxLength: 5 }), boundRates, (asked, rates) => {
        const sum = new BoundSum();
        for (const one of asked) sum.add(boundOf(one));
        const each = asked.map((one) => priceBound(boundOf(one), withoutFee(rates), name).nanos);
        const all = priceBound(sum.total, withoutFee(rates), name).nanos;
        const alone = each.reduce((total, nanos) => total + nanos, 0n);
        expect(all).toBeLessThanOrEqual(alone);
        expect(all).toBeGreaterThan(alone - BigInt(asked.length));
      }),
    );
    const unknown = new BoundSum();
    unknown.add(boundOf(asked));
    unknown.add({ ...boundOf(asked), output: { meters: outputMeters, candidates: 1n, maximumTokens: undefined, leastTokens: 0n } });
    expect(() => priceBound(unknown.total, { ...rates }, name)).toThrow(expect.objectContaining({ reason: "UNBOUNDED_COST" }));
  });

  test("is counted at the dearest meter, and rounded up", () => {
    expect(priceBound(boundOf(asked), rates, name)).toEqual({ nanos: 7_000_000n, outputTokens: 500n });
    const written = new Map([...rates.rates, [Meter.CACHE_WRITE_5M_INPUT_TOKENS, 2_500_000_001n]]);
    expect(priceBound(boundOf(asked), { ...rates, rates: written }, name).nanos).toBe(7_500_001n);
  });

  test("of a model without a price is refused, and so is one of which a part that always counts has none", () => {
    for (const known of [new Map(), new Map([[Meter.INPUT_TOKENS, 1n]])] as Map<Meter, bigint>[]) {
      expect(() => priceBound(boundOf(asked), { ...rates, rates: known }, name)).toThrow(expect.objectContaining({ reason: "UNPRICED_MODEL" }));
    }
  });

  test("that is none is refused, unless nothing is charged for it", () => {
    const endless = { ...boundOf(asked), output: { meters: outputMeters, candidates: 1n, maximumTokens: undefined, leastTokens: 256n }, advice: "Say how much." };
    expect(() => priceBound(endless, rates, name)).toThrow(expect.objectContaining({ reason: "UNBOUNDED_COST", message: expect.stringContaining("Say how much.") }));
    const free = { rates: new Map([[Meter.INPUT_TOKENS, 0n], [Meter.OUTPUT_TOKENS, 0n]]), serviceTiers: undefined, factorMillionths: 1_000_000n };
    expect(priceBound(endless, free, name)).toEqual({ nanos: 0n, outputTokens: undefined });
  });

  test("of a dearer service tier needs a price of that tier, where not every one has a price", () => {
    const dearer = { ...boundOf(asked), dearerTier: "priority" };
    expect(() => priceBound(dearer, { ...rates, serviceTiers: new Set(["", "default"]) }, name)).toThrow(expect.objectContaining({ reason: "UNPRICED_MODEL", message: expect.stringContaining('"priority"') }));
    for (const serviceTiers of [undefined, new Set(["", "priority"])]) expect(priceBound(dearer, { ...rates, serviceTiers }, name)).toEqual(priceBound(boundOf(asked), rates, name));
  });

  test("that no call comes to is refused, before it is more than 64 bits hold", () => {
    expect(() => priceBound(boundOf({ ...asked, maximum: 2n ** 53n }), rates, name)).toThrow(expect.objectContaining({ reason: "UNBOUNDED_COST" }));
  });

  test("of an operation that vendors do not charge for needs no price", () => {
    expect(priceBound({ quantities: [], advice: "" }, { rates: new Map(), serviceTiers: undefined, factorMillionths: 1_000_000n }, name)).toEqual({ nanos: 0n, outputTokens: undefined });
  });
});

function withoutFee({ rates, ...rest }: BoundRates): BoundRates {
  return { rates: new Map([...rates].filter(([meter]) => meter !== Meter.REQUESTS)), ...rest };
}
