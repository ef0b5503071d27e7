/** Proves how prices are read from the configuration. */
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { readMeteringConfig } from "./config.ts";

test("prices are read exactly, and what is not stated stays unstated", () => {
  const config = create(ConfigSchema, { prices: { "openai/local/llama": { input: "0.000001", cachedInput: "0", output: "2.5" } } });
  expect(readMeteringConfig(config).prices).toEqual(
    new Map([["openai/local/llama", [{ rates: new Map([[Meter.INPUT_TOKENS, 1000n], [Meter.CACHED_INPUT_TOKENS, 0n], [Meter.OUTPUT_TOKENS, 2_500_000_000n]]) }]]]),
  );
});

test("a price without a vendor is refused with the place", () => {
  expect(() => readMeteringConfig(create(ConfigSchema, { prices: { "gpt-6": { input: "1" } } }))).toThrow('prices.gpt-6: "gpt-6" names no vendor');
});

test("a price that cannot be read is refused with the place", () => {
  expect(() => readMeteringConfig(create(ConfigSchema, { prices: { "openai/gpt-6": { input: "1", from: "2026-13-01" } } }))).toThrow('prices["openai/gpt-6"]: "2026-13-01" is no moment');
});
