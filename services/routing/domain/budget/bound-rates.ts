/** Owns which of the prices that metering tells hold for a call at most. */
import type { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Target } from "../targets/plan.ts";
import type { BoundRates } from "./bound.ts";

export interface BoundPrices {
  /** By `vendor/model`, of each meter that has one: nano-dollars for a million units. */
  readonly rates: ReadonlyMap<string, ReadonlyMap<Meter, bigint>>;
  /** The same for what stands in a batch. */
  readonly batchRates: ReadonlyMap<string, ReadonlyMap<Meter, bigint>>;
  /** The service tiers that have a price, of models of which not every one has. */
  readonly serviceTiers: ReadonlyMap<string, ReadonlySet<string>>;
  /** By organization: what it pays at most of them, in millionths; absent means all of them and no more. */
  readonly factorMillionths: Readonly<Record<string, bigint>>;
}

const evenFactorMillionths = 1_000_000n;
const noRates: ReadonlyMap<Meter, bigint> = new Map();

/** Throws DEPENDENCY_UNAVAILABLE while metering has told no prices. */
export function boundRatesFor({ provider, model }: Target, organizationId: string, isBatch: boolean, prices: BoundPrices | undefined): BoundRates {
  if (prices === undefined) {
    throw new GatewayError("DEPENDENCY_UNAVAILABLE", "Metering has not told its prices yet, and a budget or a limit on spending applies to this key. Try again soon.", { metadata: { dependency: "metering" }, retryAfterMs: 1_000 });
  }
  const name = `${provider.vendor}/${model}`;
  const rates = isBatch ? prices.batchRates : prices.rates;
  return { rates: rates.get(name) ?? noRates, serviceTiers: prices.serviceTiers.get(name), factorMillionths: prices.factorMillionths[organizationId] ?? evenFactorMillionths };
}
