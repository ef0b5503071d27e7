/** Owns routing's copies of the provider catalogue and of the price version in force. */
import { create } from "@bufbuild/protobuf";
import { WatchPriceVersionRequestSchema } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { WatchCatalogRequestSchema, type Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Logger } from "#platform/logger.ts";
import { followView } from "#platform/pushed-view.ts";
import type { RoutingPeers } from "../peers.ts";

export interface CatalogueView {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly priceVersion: string;
}

const identity = { kind: "service", name: "routing" } as const;

/** Resolves when both are here; the returned object changes as they do, until the signal fires. */
export async function followCatalogue(peers: Pick<RoutingPeers, "providers" | "metering">, logger: Logger, signal: AbortSignal): Promise<CatalogueView> {
  const view = { providers: new Map<string, Provider>(), priceVersion: "" };
  await Promise.all([
    followView({
      name: "catalogue",
      open: (openSignal) => peers.providers.watchCatalog(create(WatchCatalogRequestSchema), { identity, requestId: "", signal: openSignal }),
      apply: ({ providers }) => {
        view.providers = new Map(providers.map((provider) => [provider.name, provider]));
      },
      logger,
      signal,
    }),
    followView({
      name: "price version",
      open: (openSignal) => peers.metering.watchPriceVersion(create(WatchPriceVersionRequestSchema), { identity, requestId: "", signal: openSignal }),
      apply: ({ priceVersion }) => {
        view.priceVersion = priceVersion;
      },
      logger,
      signal,
    }),
  ]);
  return view;
}
