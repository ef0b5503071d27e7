/** Owns routing's copies of the provider catalogue, of the price version in force, and of what models cost at most. */
import { create } from "@bufbuild/protobuf";
import { WatchBoundPricesRequestSchema, WatchPriceVersionRequestSchema, type BoundRate } from "#gen/weir/metering/v1/price_book_pb.ts";
import { WatchCatalogRequestSchema, type Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Logger } from "#platform/logger.ts";
import { followView, heartbeatInterval } from "#platform/views/pushed-view.ts";
import type { BoundPrices } from "../domain/budget/bound-rates.ts";
import type { RoutingPeers } from "../peers.ts";

export interface CatalogueView {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly priceVersion: string;
  /** Undefined until metering has told them. */
  readonly boundPrices: BoundPrices | undefined;
}

const identity = { kind: "service", name: "routing" } as const;

/** Resolves when catalogue and price version are here, without which no call can be made; the returned object changes as they do, until the signal fires. */
export async function followCatalogue(peers: Pick<RoutingPeers, "providers" | "metering">, onProviders: (providers: CatalogueView["providers"]) => void, logger: Logger, signal: AbortSignal): Promise<CatalogueView> {
  const view: { -readonly [Name in keyof CatalogueView]: CatalogueView[Name] } = { providers: new Map(), priceVersion: "", boundPrices: undefined };
  void followView({
    name: "bound prices",
    open: (openSignal) => peers.metering.watchBoundPrices(create(WatchBoundPricesRequestSchema, { heartbeatInterval }), { identity, requestId: "", signal: openSignal }),
    apply: ({ prices, factorMillionths }) => {
      const byMeter = (rates: readonly BoundRate[]) => new Map(rates.map(({ meter, nanosPerMillion }) => [meter, nanosPerMillion]));
      view.boundPrices = {
        rates: new Map(prices.map(({ name, rates }) => [name, byMeter(rates)])),
        batchRates: new Map(prices.map(({ name, batchRates }) => [name, byMeter(batchRates)])),
        serviceTiers: new Map(prices.filter(({ serviceTiers }) => serviceTiers.length > 0).map(({ name, serviceTiers }) => [name, new Set(serviceTiers)])),
        factorMillionths,
      };
    },
    logger,
    signal,
  });
  await Promise.all([
    followView({
      name: "catalogue",
      open: (openSignal) => peers.providers.watchCatalog(create(WatchCatalogRequestSchema, { heartbeatInterval }), { identity, requestId: "", signal: openSignal }),
      apply: ({ providers }) => {
        view.providers = new Map(providers.map((provider) => [provider.name, provider]));
        onProviders(view.providers);
      },
      logger,
      signal,
    }),
    followView({
      name: "price version",
      open: (openSignal) => peers.metering.watchPriceVersion(create(WatchPriceVersionRequestSchema, { heartbeatInterval }), { identity, requestId: "", signal: openSignal }),
      apply: ({ priceVersion }) => {
        view.priceVersion = priceVersion;
      },
      logger,
      signal,
    }),
  ]);
  return view;
}
