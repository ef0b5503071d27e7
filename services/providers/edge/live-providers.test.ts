import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { createLogger } from "#platform/logger.ts";
import { readProvidersConfig } from "../config.ts";
import { LiveProvider } from "./live-providers.ts";

/** A provider at its vendor's own address. */
async function openProvider(vendor: string): Promise<string> {
  const config = readProvidersConfig(create(ConfigSchema, { providers: { it: { vendor, apiKey: "vendor-secret" } } }), {}).providers.get("it")!;
  await new LiveProvider(config, config.baseUrl, { clock: systemClock, logger: createLogger("silent"), stored: { of: () => [], refused: () => undefined, accepted: () => undefined } }).close();
  return vendor;
}

test.each(["openai", "ollama", "demo"])("%s can be reached at its default address, also on the operator's own machine", async (vendor) => {
  await expect(openProvider(vendor)).resolves.toBe(vendor);
});
