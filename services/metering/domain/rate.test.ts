/** Proves that costs are exact, and that what has no price is never counted as 0. */
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Meter, MeterQuantitySchema, UsageSchema, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { builtInPrices } from "./built-in-prices.ts";
import { entriesOf, listedPriceOf, parseDollars, ratesOf } from "./listed-price.ts";
import { adjustmentOf, factorFor, listedAdjustmentOf } from "./price-adjustment.ts";
import { createPriceBook, decodeAdjustments, decodeEntries, encodeAdjustments, encodeEntries, findPrice, type PricedCall } from "./price-book.ts";
import { rateUsage } from "./rate.ts";

const builtInBook = createPriceBook([builtInPrices]);

/** A call of today. */
function call(name: string, rest: Partial<PricedCall> = {}): PricedCall {
  const [vendor, model] = name.split("/") as [string, string];
  return { vendor, model, servedModel: "", serviceTier: "", startTimeMs: Date.UTC(2026, 10, 21), ...rest };
}

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
    const cost = (input: bigint, output: bigint) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: input, [Meter.OUTPUT_TOKENS]: output }), price).costNanos;
    expect([cost(1n, 0n), cost(2n, 0n), cost(1n, 1n), cost(0n, 0n)]).toEqual([0n, 1n, 0n, 0n]);
  });

  test("is within half a nano of the true value and grows with every quantity", () => {
    const quantity = fc.bigInt(0n, 10n ** 10n);
    fc.assert(
      fc.property(fc.bigInt(0n, 5n * 10n ** 10n), quantity, quantity, (rate, some, more) => {
        const cost = (tokens: bigint) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: tokens }), { rates: new Map([[Meter.INPUT_TOKENS, rate]]) }).costNanos!;
        const difference = cost(some) * 1_000_000n - some * rate;
        expect(difference > -500_000n && difference <= 500_000n).toBe(true);
        expect(cost(some + more) >= cost(some)).toBe(true);
      }),
    );
  });

  test("is a million dollars at most: more is a mistake, and unpriced", () => {
    const rate = (tokens: bigint, factorMillionths?: bigint) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: tokens }), { rates: ratesOf({ input: "100" }) }, factorMillionths);
    expect(rate(10_000_000_000n)).toMatchObject({ costNanos: 10n ** 15n, isUnpriced: false });
    expect(rate(10_000_000_001n)).toEqual({ costNanos: undefined, chargeNanos: undefined, isUnpriced: true });
    expect(rate(10_000_000_000n, 1_000_001n)).toEqual({ costNanos: undefined, chargeNanos: undefined, isUnpriced: true });
  });

  test("takes the rates of input and output where cache and reasoning have none of their own", () => {
    const usage = usageOf({ [Meter.CACHED_INPUT_TOKENS]: 1n, [Meter.CACHE_WRITE_5M_INPUT_TOKENS]: 10n, [Meter.CACHE_WRITE_1H_INPUT_TOKENS]: 100n, [Meter.REASONING_OUTPUT_TOKENS]: 1000n });
    expect(rateUsage(usage, { rates: ratesOf({ input: "1", output: "2" }) }).costNanos).toBe(2_111_000n);
    expect(rateUsage(usage, { rates: ratesOf({ input: "1", cachedInput: "0", cacheWrite5m: "5", output: "2" }) }).costNanos).toBe(2_150_000n);
  });

  test("is absent where a part has no price, and where usage is unreported", () => {
    const price = { rates: ratesOf({ input: "1" }) };
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n, [Meter.AUDIO_INPUT_TOKENS]: 1n }), price)).toEqual({ costNanos: undefined, chargeNanos: undefined, isUnpriced: true });
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n, [Meter.AUDIO_INPUT_TOKENS]: 0n }), price)).toEqual({ costNanos: 1000n, chargeNanos: 1000n, isUnpriced: false });
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n }), undefined)).toEqual({ costNanos: undefined, chargeNanos: undefined, isUnpriced: true });
    expect(rateUsage(undefined, price)).toEqual({ costNanos: undefined, chargeNanos: undefined, isUnpriced: false });
  });

  test("of nothing is nothing, with a price and without: so a free operation is not unpriced", () => {
    const nothing = { costNanos: 0n, chargeNanos: 0n, isUnpriced: false };
    expect([rateUsage(usageOf({}), undefined), rateUsage(usageOf({ [Meter.IMAGES]: 0n }), { rates: ratesOf({ input: "1", request: "0.01" }) })]).toEqual([nothing, nothing]);
  });

  test("of a long prompt is that of the long rates for the whole call", () => {
    const price = findPrice(builtInBook, call("anthropic/claude-haiku-5-5"));
    const cost = (cached: bigint) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 50_000n, [Meter.CACHED_INPUT_TOKENS]: cached, [Meter.OUTPUT_TOKENS]: 10n }), price);
    expect(cost(50_000n).costNanos).toBe(5_000_000n + 500_000n + 5_000n);
    expect(cost(50_001n).costNanos).toBe(25_000_000n + 2_500_050n + 25_000n);
    const unstated = rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 272_001n }), findPrice(builtInBook, call("openai/gpt-6.2-sol")));
    expect(unstated).toEqual({ costNanos: undefined, chargeNanos: undefined, isUnpriced: true });
  });

  test("of images and searches is by the modality, the image or the search unit", () => {
    const image = usageOf({ [Meter.INPUT_TOKENS]: 40n, [Meter.IMAGE_INPUT_TOKENS]: 10n, [Meter.IMAGE_OUTPUT_TOKENS]: 272n });
    expect(rateUsage(image, findPrice(builtInBook, call("openai/gpt-image-2.6-sunburst"))).costNanos).toBe(40n * 5_000n + 10n * 8_000n + 272n * 30_000n);
    expect(rateUsage(usageOf({ [Meter.CHARACTERS]: 1_000n }), findPrice(builtInBook, call("openai/tts-1"))).costNanos).toBe(15_000_000n);
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 10n, [Meter.IMAGE_OUTPUT_TOKENS]: 1_120n }), findPrice(builtInBook, call("gemini/gemini-3.1-flash-image"))).costNanos).toBe(10n * 500n + 1_120n * 60_000n);
    const grok = findPrice(builtInBook, call("xai/grok-4.7"));
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 199_999n }), grok).costNanos).toBe(199_999n * 2_000n);
    expect(rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 200_000n }), grok).costNanos).toBe(200_000n * 4_000n);
    expect(rateUsage(usageOf({ [Meter.SEARCH_UNITS]: 2n }), findPrice(builtInBook, call("cohere/rerank-v4.0-pro"))).costNanos).toBe(5_000_000n);
  });

  test("holds audio by the minute, images and fees for a call exactly", () => {
    const price = { rates: ratesOf({ audioMinute: "0.006", image: "0.04", request: "0.01", searchUnit: "0.002" }) };
    expect(rateUsage(usageOf({ [Meter.AUDIO_MILLISECONDS]: 90_000n }), price).costNanos).toBe(9_000_000n + 10_000_000n);
    expect(rateUsage(usageOf({ [Meter.IMAGES]: 3n, [Meter.REQUESTS]: 2n }), price).costNanos).toBe(120_000_000n + 20_000_000n);
    expect(rateUsage(usageOf({ [Meter.SEARCH_UNITS]: 1n, [Meter.REQUESTS]: 0n }), price).costNanos).toBe(2_000_000n + 10_000_000n);
  });

  test("is charged with the mark-up or discount of the organization, rounded from the exact sum", () => {
    const price = { rates: new Map([[Meter.INPUT_TOKENS, 1_500_000n]]) };
    const rating = (percent: string) => rateUsage(usageOf({ [Meter.INPUT_TOKENS]: 1n }), price, adjustmentOf({ organizationId: "org_a", models: "*", percent, from: "", until: "" }).factorMillionths);
    expect(rating("0")).toEqual({ costNanos: 2n, chargeNanos: 2n, isUnpriced: false });
    expect(rating("-10").chargeNanos).toBe(1n);
    expect(rating("66.6667").chargeNanos).toBe(3n);
    expect(rating("-100").chargeNanos).toBe(0n);
  });
});

describe("the price book", () => {
  test("has a version that depends on its content alone, and survives being stored", () => {
    const entries = [...builtInPrices];
    expect(builtInBook.version).toMatch(/^pri_[0-9a-f]{32}$/);
    expect(createPriceBook([new Map(entries.toReversed())]).version).toBe(builtInBook.version);
    expect(createPriceBook([builtInPrices, new Map([["demo/demo-chat", entriesOf({ input: "1" })]])]).version).not.toBe(builtInBook.version);
    const stored = decodeEntries(JSON.parse(JSON.stringify(encodeEntries(builtInPrices))));
    expect(stored).toEqual(new Map(entries.toSorted(([left], [right]) => (left < right ? -1 : 1))));
    const adjustments = new Map([["org_a", [adjustmentOf({ organizationId: "org_a", models: "openai/*", percent: "-12.5", from: "2026-01-01", until: "" })]]]);
    expect(decodeAdjustments(JSON.parse(JSON.stringify(encodeAdjustments(adjustments))))).toEqual(adjustments);
    expect(createPriceBook([builtInPrices], adjustments).version).not.toBe(builtInBook.version);
  });

  test("is looked up by the model that was asked for, then by the one that answered", () => {
    const demoChat = findPrice(builtInBook, call("demo/demo-chat"));
    expect(demoChat).toBe(builtInPrices.get("demo/demo-chat")![0]);
    expect(findPrice(builtInBook, call("demo/demo-chat", { servedModel: "demo-embed" }))).toBe(demoChat);
    expect(findPrice(builtInBook, call("demo/newest", { servedModel: "demo-chat" }))).toBe(demoChat);
    expect(findPrice(builtInBook, call("openai/demo-chat", { servedModel: "demo-chat-2026-01-01" }))).toBeUndefined();
  });

  test("holds the entry that is in force when the call starts, to the millisecond", () => {
    const changeMs = Date.UTC(2026, 11, 1);
    const input = (startTimeMs: number) => findPrice(builtInBook, call("gemini/gemini-4-argon", { startTimeMs }))?.rates.get(Meter.INPUT_TOKENS);
    expect([input(changeMs - 1), input(changeMs)]).toEqual([2_000_000_000n, 4_000_000_000n]);
  });

  test("holds a service tier's own rates or multiple, and no price for a tier that nobody states", () => {
    const input = (serviceTier: string, name = "openai/gpt-6-sol") => findPrice(builtInBook, call(name, { serviceTier }))?.rates.get(Meter.INPUT_TOKENS);
    expect([input("default"), input("flex"), input("batch"), input("priority")]).toEqual([2_000_000_000n, 1_000_000_000n, 1_000_000_000n, undefined]);
    const own = createPriceBook([builtInPrices, new Map([["openai/gpt-6-sol", entriesOf({ input: "3.5", serviceTiers: ["priority"] })]])]);
    expect(findPrice(own, call("openai/gpt-6-sol", { serviceTier: "priority" }))?.rates.get(Meter.INPUT_TOKENS)).toBe(3_500_000_000n);
    expect(findPrice(own, call("openai/gpt-6-sol", { serviceTier: "flex" }))?.rates.get(Meter.INPUT_TOKENS)).toBe(1_000_000_000n);
  });

  test("holds a tenth more for what Anthropic computes in the US, and nothing for its fast mode, which costs a multiple", () => {
    const input = (serviceTier: string) => findPrice(builtInBook, call("anthropic/claude-opus-5", { serviceTier }))?.rates.get(Meter.INPUT_TOKENS);
    expect(["standard", "standard_us", "batch_us", "fast", "fast_us"].map(input)).toEqual([5_000_000_000n, 5_500_000_000n, 2_750_000_000n, undefined, undefined]);
  });

  test("lets a later layer precede an earlier one for the calls that it covers alone", () => {
    const book = createPriceBook([builtInPrices, new Map([["demo/demo-chat", entriesOf({ input: "9", from: "2026-12-01", until: "2027-01-01" })]])]);
    const input = (startTimeMs: number) => findPrice(book, call("demo/demo-chat", { startTimeMs }))?.rates.get(Meter.INPUT_TOKENS);
    expect([Date.UTC(2026, 10, 30), Date.UTC(2026, 11, 5), Date.UTC(2027, 0, 1)].map(input)).toEqual([1_000_000_000n, 9_000_000_000n, 1_000_000_000n]);
    const replaced = createPriceBook([builtInPrices, new Map([["demo/demo-chat", entriesOf({ input: "9" })]])]);
    expect(replaced.entries.get("demo/demo-chat")).toHaveLength(1);
  });

  test("finds the first mark-up or discount that covers a call", () => {
    const listed = [
      { organizationId: "org_a", models: "openai/gpt-6-sol", percent: "5", from: "2026-12-01", until: "" },
      { organizationId: "org_a", models: "openai/*", percent: "-10", from: "", until: "" },
      { organizationId: "org_a", models: "*", percent: "20.5", from: "", until: "" },
    ];
    expect(listed.map((one) => listedAdjustmentOf(adjustmentOf(one)))).toEqual(listed);
    const adjustments = new Map([["org_a", listed.map(adjustmentOf)]]);
    const factor = (organization: string, name: string, startTimeMs = Date.UTC(2026, 10, 21)) => factorFor(adjustments, organization, call(name, { startTimeMs }));
    expect(factor("org_a", "openai/gpt-6-sol")).toBe(900_000n);
    expect(factor("org_a", "openai/gpt-6-sol", Date.UTC(2026, 11, 1))).toBe(1_050_000n);
    expect(factor("org_a", "demo/demo-chat")).toBe(1_205_000n);
    expect(factor("org_b", "openai/gpt-6-sol")).toBe(1_000_000n);
  });
});

test("a listed price and its entry are the same said twice", () => {
  const listed = { input: "0.000001", image: "0.04", audioMinute: "0.006", request: "1", longPrompt: { aboveInputTokens: 5n, output: "2.5" }, serviceTiers: ["priority"], from: "2026-12-01", until: "2026-12-01T08:00:00.500Z" };
  expect(entriesOf(listed).map(listedPriceOf)).toEqual([listed]);
  expect(() => entriesOf({ from: "2026-12-01", until: "2026-12-01" })).toThrow(RangeError);
  expect(() => entriesOf({ from: "2026-13-01" })).toThrow(RangeError);
  expect(() => entriesOf({ input: "0.000000001", tierMultipliers: { batch: "0.5" } })).toThrow(/price of its own/);
});
