/** Owns what metering takes from the configuration: the prices that add to the built-in ones or replace them. */
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { ratesOf } from "./domain/listed-price.ts";
import type { PriceEntries } from "./domain/price-book.ts";

export interface MeteringConfig {
  /** By `vendor/model`. */
  readonly prices: PriceEntries;
}

/** Throws INVALID_REQUEST when a price is not by `vendor/model`. */
export function readMeteringConfig(config: Config): MeteringConfig {
  const prices = Object.entries(config.prices).map(([name, price]) => {
    if (!/^[^/]+[/]./.test(name)) {
      throw new GatewayError("INVALID_REQUEST", `prices: "${name}" names no vendor: write it as vendor/model, such as "openai/${name}".`);
    }
    return [name, { rates: ratesOf(price) }] as const;
  });
  return { prices: new Map(prices) };
}
