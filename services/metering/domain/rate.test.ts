/** Proves that costs are exact, and that what has no price is never counted as 0. */
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Meter, MeterQuantitySchema, UsageSchema, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { builtInPrices } from "./built-in-prices.ts";
import { ratesOf } from "./listed-price.ts";
import { createPriceBook, decodeEntries, encodeEntries, findPrice } from "./price-book.ts";
import { parseDollars, rateUsage } from "./rate.ts";

function usageOf(quantities: Partial<Record<Meter, bigint>>): Usage {
  return create(UsageSchema, {
    quantities: Object.entries(quantities).map(([meter, quantity]) => create(MeterQuantitySchema, { meter: Number(meter) as Meter, quantity: quantity as bigint })),
  });
}

test("dollars are read without a float", () => {
  expect(parseDollars("2.50")).toBe(2_500_000_000n);
  expect(parseDollars("0.000001")).toBe(1_000n);
  expect(parseDollars("9007199.254741")).toBe(9_007_199_254_741_000n);
  for (const text of ["", "-1", "1e3", "1,5", ".5", "0.1234567891"]) expect(() => parseDollars(text)).toThrow(RangeError);
});

describe("a cost", () => {
  test("is the exact sum, rounded half up once", () => {
    const price = { rates: new Map([[Meter.INPUT_TOKENS, 250_000n], [Meter.OUTPUT_TOKENS, 249_999n]]) };
    const cost = (input: bigint, output: bigint) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: input, [Meter.OUTPUT_TOKENS]: output }), "", price).costNanos;
    expect([cost(1n, 0n), cost(2n, 0n), cost(1n, 1n), cost(0n, 0n)]).toEqual([0n, 1n, 0n, 0n]);
  });

  test("is within half a nano of the true value and grows with every quantity", () => {
    const quantity = fc.bigInt(0n, 2n ** 60n);
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 16n), quantity, quantity, (rate, some, more) => {
        const cost = (tokens: bigint) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: tokens }), "", { rates: new Map([[Meter.INPUT_TOKENS, rate]]) }).costNanos!;
        const difference = cost(some) * 1_000_000n - some * rate;
        expect(difference > -500_000n && difference <= 500_000n).toBe(true);
        expect(cost(some + more) >= cost(some)).toBe(true);
      }),
      { seed: 20261120 },
    );
  });

  test("takes the rates of input and output where cache and reasoning have none of their own", () => {
    const usage = usageOf({ [Meter.CACHED_INPUT_TOKENS]: 1n, [Meter.CACHE_WRITE_5M_INPUT_TOKENS]: 10n, [Meter.CACHE_WRITE_1H_INPUT_TOKENS]: 100n, [Meter.REASONING_OUTPUT_TOKENS]: 1000n });
    expect(rateUsage(usage, "", { rates: ratesOf({ input: "1", output: "2" }) }).costNanos).toBe(2_111_000n);
    expect(rateUsage(usage, "", { rates: ratesOf({ input: "1", cachedInput: "0", cacheWrite5m: "5", output: "2" }) }).costNanos).toBe(2_150_000n);
  });

  test("is absent where a part has no price, and where usage is unreported", () => {
    const price = { rates: ratesOf({ input: "1" }) };
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n, [Meter.AUDIO_INPUT_TOKENS]: 1n }), "", price)).toEqual({ costNanos: undefined, isUnpriced: true });
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n, [Meter.AUDIO_INPUT_TOKENS]: 0n }), "", price)).toEqual({ costNanos: 1000n, isUnpriced: false });
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n }), "", undefined)).toEqual({ costNanos: undefined, isUnpriced: true });
    expect(rateUsage(undefined, "", price)).toEqual({ costNanos: undefined, isUnpriced: false });
  });

  test("of nothing is nothing, with a price and without: so a free operation is not unpriced", () => {
    const nothing = { costNanos: 0n, isUnpriced: false };
    expect([rateUsage(usageOf({}), "", undefined), rateUsage(usageOf({ [Meter.IMAGES]: 0n }), "priority", { rates: ratesOf({ input: "1" }), serviceTiers: [] })]).toEqual([nothing, nothing]);
  });

  test("of a long prompt is that of the long rates for the whole call", () => {
    const price = builtInPrices.get("anthropic/claude-haiku-5-5");
    const cost = (cached: bigint) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 50_000n, [Meter.CACHED_INPUT_TOKENS]: cached, [Meter.OUTPUT_TOKENS]: 10n }), "standard", price);
    expect(cost(50_000n).costNanos).toBe(5_000_000n + 500_000n + 5_000n);
    expect(cost(50_001n).costNanos).toBe(25_000_000n + 2_500_050n + 25_000n);
    const unstated = rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 272_001n }), "default", builtInPrices.get("openai/gpt-6.2-sol"));
    expect(unstated).toEqual({ costNanos: undefined, isUnpriced: true });
  });

  test("of images and searches is by the modality, the image or the search unit", () => {
    const image = usageOf({ [Meter.INPUT_TOKENS]: 40n, [Meter.IMAGE_INPUT_TOKENS]: 10n, [Meter.IMAGE_OUTPUT_TOKENS]: 272n });
    expect(rateUsage(image, "", builtInPrices.get("openai/gpt-image-2.6-sunburst")).costNanos).toBe(40n * 5_000n + 10n * 8_000n + 272n * 30_000n);
    expect(rateUsage(usageOf({ [Meter.SEARCH_UNITS]: 2n }), "", builtInPrices.get("cohere/rerank-v4.0-pro")).costNanos).toBe(5_000_000n);
    expect(rateUsage(usageOf({ [Meter.IMAGES]: 3n }), "", { rates: ratesOf({ image: "0.02" }) }).costNanos).toBe(60_000_000n);
  });

  test("of a tier that the price is not for is absent", () => {
    const price = builtInPrices.get("openai/gpt-6-sol");
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n }), "priority", price)).toEqual({ costNanos: undefined, isUnpriced: true });
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n }), "priority", { rates: price!.rates }).costNanos).toBe(2000n);
  });
});

describe("the price book", () => {
  test("has a version that depends on its prices alone, and survives being stored", () => {
    const entries = [...builtInPrices];
    const book = createPriceBook(builtInPrices);
    expect(book.version).toMatch(/^pri_[0-9a-f]{32}$/);
    expect(createPriceBook(new Map(entries.toReversed())).version).toBe(book.version);
    expect(createPriceBook(builtInPrices, new Map([["demo/demo-chat", { rates: ratesOf({ input: "1" }) }]])).version).not.toBe(book.version);
    const stored = decodeEntries(JSON.parse(JSON.stringify(encodeEntries(builtInPrices))));
    expect(stored).toEqual(new Map(entries.toSorted(([left], [right]) => (left < right ? -1 : 1))));
  });

  test("is looked up by the model that was asked for, then by the one that answered", () => {
    const book = createPriceBook(builtInPrices);
    const demoChat = builtInPrices.get("demo/demo-chat");
    expect(findPrice(book, "demo", "demo-chat", "demo-embed")).toBe(demoChat);
    expect(findPrice(book, "demo", "newest", "demo-chat")).toBe(demoChat);
    expect(findPrice(book, "openai", "demo-chat", "demo-chat-2026-01-01")).toBeUndefined();
  });
});
