/** Owns the proof of the rule by which usage is estimated. */
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { estimateUsage, textsToCount } from "./estimate-usage.ts";
import type { Output } from "./generated-output.ts";

const reportedOf = (...quantities: [Meter, bigint][]): Usage =>
  create(UsageSchema, { source: UsageSource.PROVIDER, quantities: quantities.map(([meter, quantity]) => ({ meter, quantity })) });
const figures = (usage: Usage): [Meter, bigint][] => usage.quantities.map(({ meter, quantity }) => [meter, quantity]);
const ofBytes = (bytes: number): Output => ({ bytes, form: "text", kept: Buffer.alloc(bytes) });

describe("estimateUsage", () => {
  it("takes the request's tokens, and of the output one per four bytes, rounded up", () => {
    const usage = estimateUsage({ output: ofBytes(9) }, () => 101n);
    expect(usage.source).toBe(UsageSource.ESTIMATED);
    expect(figures(usage)).toEqual([[Meter.INPUT_TOKENS, 101n], [Meter.OUTPUT_TOKENS, 3n]]);
  });

  it("takes both as they were counted, and asks for no count of what was reported", () => {
    const [traffic, request] = [{ output: ofBytes(9) }, Buffer.from("{}")];
    expect(figures(estimateUsage(traffic, () => 7n, 2n))).toEqual([[Meter.INPUT_TOKENS, 7n], [Meter.OUTPUT_TOKENS, 2n]]);
    expect(textsToCount(request, traffic)).toEqual({ request, output: traffic.output });
    expect(textsToCount(request, { ...traffic, reported: reportedOf([Meter.INPUT_TOKENS, 7n]) })).toEqual({ request: new Uint8Array(), output: traffic.output });
  });

  it("keeps the input that was reported, and the larger output", () => {
    const reported = reportedOf([Meter.INPUT_TOKENS, 7n], [Meter.CACHED_INPUT_TOKENS, 90n], [Meter.OUTPUT_TOKENS, 1n]);
    expect(figures(estimateUsage({ output: ofBytes(40), reported }, () => 1000n))).toEqual([[Meter.INPUT_TOKENS, 7n], [Meter.CACHED_INPUT_TOKENS, 90n], [Meter.OUTPUT_TOKENS, 10n]]);
    expect(figures(estimateUsage({ output: ofBytes(0), reported }, () => 1000n))).toEqual(figures(reported));
  });

  it("does not count reported reasoning again", () => {
    const reported = reportedOf([Meter.INPUT_TOKENS, 7n], [Meter.REASONING_OUTPUT_TOKENS, 8n]);
    expect(figures(estimateUsage({ output: ofBytes(40), reported }, () => 0n))).toContainEqual([Meter.OUTPUT_TOKENS, 2n]);
  });
});
