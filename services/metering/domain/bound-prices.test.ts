import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { adjustmentOf } from "./price-adjustment.ts";
import { boundPricesOf } from "./bound-prices.ts";
import { createPriceBook, groupByName } from "./price-book.ts";
import { rateCall } from "./rate-call.ts";
import type { PriceEntry } from "./rate.ts";

const day = 86_400_000;
const rates = (input: bigint, output?: bigint) => new Map([[Meter.INPUT_TOKENS, input], ...(output === undefined ? [] : [[Meter.OUTPUT_TOKENS, output] as const])]);

describe("bound prices", () => {
  it("are the dearest over tiers, long prompts and what begins within the span", () => {
    const entries: PriceEntry[] = [
      { rates: rates(1n, 50n), serviceTiers: ["flex"] },
      { rates: rates(9n), untilMs: 5 * day },
      { rates: rates(30n), fromMs: 7 * day },
      { rates: rates(2n), longPrompt: { aboveInputTokens: 10n, rates: rates(4n) } },
    ];
    const book = createPriceBook([groupByName(entries.map((entry) => ["v/m", entry]))]);
    const inputAt = (time: number) => boundPricesOf(book, time, time + day).prices.get("v/m");
    expect(inputAt(4 * day)?.get(Meter.INPUT_TOKENS)).toBe(9n);
    expect(inputAt(5 * day)?.get(Meter.INPUT_TOKENS)).toBe(4n);
    expect(inputAt(6 * day + 1)?.get(Meter.INPUT_TOKENS)).toBe(30n);
    expect(inputAt(0)?.get(Meter.REASONING_OUTPUT_TOKENS)).toBe(50n);
    expect(inputAt(0)?.has(Meter.IMAGES)).toBe(false);
  });

  it("name the tiers that have a price, unless every one has", () => {
    const tiersOf = (...entries: PriceEntry[]) => boundPricesOf(createPriceBook([groupByName(entries.map((entry) => ["v/m", entry]))]), 0, day).serviceTiers.get("v/m");
    const [fast, usual] = [{ rates: rates(9n), serviceTiers: ["fast"] }, { rates: rates(2n), serviceTiers: ["", "standard"] }];
    expect(tiersOf(fast, usual)).toEqual(["fast", "", "standard"]);
    expect(tiersOf({ ...fast, fromMs: 2 * day }, usual)).toEqual(["", "standard"]);
    expect(tiersOf(fast, { rates: rates(2n) })).toBeUndefined();
  });

  it("are of batches those that cover them: a long prompt is none of theirs", () => {
    const entries: PriceEntry[] = [
      { rates: rates(9n), serviceTiers: ["priority"] },
      { rates: rates(3n), serviceTiers: ["batch"], fromMs: 7 * day },
      { rates: rates(1n), serviceTiers: ["batch"] },
      { rates: rates(2n), longPrompt: { aboveInputTokens: 10n, rates: rates(4n) } },
    ];
    const book = createPriceBook([groupByName(entries.map((entry) => ["v/m", entry]))]);
    const inputAt = (time: number) => boundPricesOf(book, time, time + day).batchPrices.get("v/m")?.get(Meter.INPUT_TOKENS);
    expect(inputAt(0)).toBe(1n);
    expect(inputAt(7 * day)).toBe(3n);
    const unstated = createPriceBook([groupByName([["v/m", entries[3]!], ["v/priority", entries[0]!]])]);
    expect(boundPricesOf(unstated, 0, day).batchPrices).toEqual(new Map([["v/m", expect.objectContaining({ size: 4 })]]));
  });

  it("never bound a call below what it is charged", () => {
    const amount = fc.bigInt({ min: 0n, max: 10_000_000_000n });
    fc.assert(
      fc.property(amount, amount, amount, fc.bigInt({ min: 1n, max: 1_000n }), fc.bigInt({ min: 0n, max: 10_000_000n }), fc.integer({ min: -50, max: 80 }), (input, audio, long, above, quantity, percent) => {
        const both = (tokens: bigint) => new Map([[Meter.INPUT_TOKENS, tokens], [Meter.AUDIO_MILLISECONDS, audio]]);
        const adjustment = adjustmentOf({ organizationId: "org", models: "*", percent: String(percent), from: "", until: "" });
        const book = createPriceBook([groupByName([["v/m", { rates: both(input), longPrompt: { aboveInputTokens: above, rates: both(long) } }]])], new Map([["org", [adjustment]]]));
        const { prices, factorsMillionths } = boundPricesOf(book, 0, day);
        const quantities = [{ meter: Meter.CACHED_INPUT_TOKENS, quantity }, { meter: Meter.AUDIO_MILLISECONDS, quantity }];
        const call = { vendor: "v", model: "m", servedModel: "m", serviceTier: "", startTimeMs: 1, organizationId: "org" };
        const { chargeNanos } = rateCall(call, { quantities } as Parameters<typeof rateCall>[1], book);
        const perMillion = quantities.reduce((sum, each) => sum + each.quantity * prices.get("v/m")!.get(each.meter)!, 0n);
        const scaled = perMillion * (factorsMillionths.get("org") ?? 1_000_000n);
        expect(chargeNanos).toBeLessThanOrEqual((scaled + 999_999_999_999n) / 1_000_000_000_000n);
      }),
    );
  });
});
