import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { AttemptSchema } from "#gen/weir/metering/v1/attempt_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { latencyOf, tokensOf } from "./attempt.ts";
import { inputTokens, outputTokens } from "./usage-rows.ts";

describe("what is not known of an attempt is a dash, and no 0", () => {
  test("of one that reported nothing, and whose end was not seen", () => {
    const attempt = create(AttemptSchema, { event: { outcome: { result: AttemptResult.ORPHANED } } });
    expect([tokensOf(attempt, inputTokens), tokensOf(attempt, outputTokens), latencyOf(attempt)]).toEqual(["–", "–", "–"]);
  });

  test("but what was reported is shown, a 0 too", () => {
    const attempt = create(AttemptSchema, { event: { outcome: { result: AttemptResult.SUCCEEDED, durationMs: 0n, usage: { quantities: [{ meter: Meter.INPUT_TOKENS, quantity: 12n }] } } } });
    expect([tokensOf(attempt, inputTokens), tokensOf(attempt, outputTokens), latencyOf(attempt)]).toEqual(["12", "0", "0 ms"]);
  });
});
