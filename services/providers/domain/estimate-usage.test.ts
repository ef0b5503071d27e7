/** Owns the proof of the rule by which usage is estimated. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { estimateUsage } from "./estimate-usage.ts";

const reportedOf = (...quantities: [Meter, bigint][]): Usage =>
  create(UsageSchema, { source: UsageSource.PROVIDER, quantities: quantities.map(([meter, quantity]) => ({ meter, quantity })) });
const figures = (usage: Usage): [Meter, bigint][] => usage.quantities.map(({ meter, quantity }) => [meter, quantity]);

describe("estimateUsage", () => {
  it("counts a token per four bytes, rounded up", () => {
    const usage = estimateUsage({ requestBytes: 401, outputBytes: 9 });
    expect(usage.source).toBe(UsageSource.ESTIMATED);
    expect(figures(usage)).toEqual([[Meter.INPUT_TOKENS, 101n], [Meter.OUTPUT_TOKENS, 3n]]);
  });

  it("keeps the input that was reported, and the larger output", () => {
    const reported = reportedOf([Meter.INPUT_TOKENS, 7n], [Meter.CACHED_INPUT_TOKENS, 90n], [Meter.OUTPUT_TOKENS, 1n]);
    expect(figures(estimateUsage({ requestBytes: 4000, outputBytes: 40, reported }))).toEqual([[Meter.INPUT_TOKENS, 7n], [Meter.CACHED_INPUT_TOKENS, 90n], [Meter.OUTPUT_TOKENS, 10n]]);
    expect(figures(estimateUsage({ requestBytes: 4000, outputBytes: 0, reported }))).toEqual(figures(reported));
  });

  it("does not count reported reasoning again", () => {
    const reported = reportedOf([Meter.INPUT_TOKENS, 7n], [Meter.REASONING_OUTPUT_TOKENS, 8n]);
    expect(figures(estimateUsage({ requestBytes: 0, outputBytes: 40, reported }))).toContainEqual([Meter.OUTPUT_TOKENS, 2n]);
  });
});
