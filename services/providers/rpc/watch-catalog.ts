/** Owns the WatchCatalog RPC: the configured providers, now and after each change. */
import { createHash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { ModelFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { WatchCatalogResponseSchema, type WatchCatalogRequest, type WatchCatalogResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { withHeartbeats } from "#platform/views/heartbeats.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { ProvidersConfig } from "../config.ts";
import type { UnaryAdapters, VendorAdapter } from "../domain/adapter.ts";
import { ledgerWord } from "../domain/plan-attempt.ts";
import type { RelayForm } from "../domain/reply/relay-form.ts";
import type { UnaryName } from "../domain/unary-operation.ts";

/** What routing is told. */
export interface Catalog {
  readonly config: ProvidersConfig;
  /** Why there is no credential for the calls of a provider, by its name. */
  readonly credentialProblems: ReadonlyMap<string, string>;
}

/** Ends when the signal fires. A caller that is slow gets the newest catalogue and misses those between. */
export function watchCatalog({ heartbeatInterval }: WatchCatalogRequest, catalog: LiveValue<Catalog>, signal: AbortSignal): AsyncGenerator<WatchCatalogResponse> {
  return withHeartbeats({ interval: heartbeatInterval, heartbeat: create(WatchCatalogResponseSchema, { heartbeat: true }), open: (openSignal) => catalogs(catalog, openSignal), signal });
}

async function* catalogs(catalog: LiveValue<Catalog>, signal: AbortSignal): AsyncGenerator<WatchCatalogResponse> {
  let changed = Promise.withResolvers<void>();
  const wake = (): void => changed.resolve();
  const unsubscribe = catalog.subscribe(wake);
  signal.addEventListener("abort", wake);
  try {
    while (!signal.aborted) {
      yield catalogOf(catalog.current);
      await changed.promise;
      changed = Promise.withResolvers<void>();
    }
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", wake);
  }
}

function catalogOf({ config: { providers, modelFacts }, credentialProblems }: Catalog): WatchCatalogResponse {
  return create(WatchCatalogResponseSchema, {
    providers: [...providers.values()].map(({ name, vendor, adapter, models, onlyListedModels, tags, baseUrl, settings }) => ({
      name,
      vendor,
      nativeDialects: [...adapter.nativeDialects],
      models: [...models],
      onlyListedModels,
      tags: [...tags],
      offers: offersOf(adapter),
      modelFacts: factsOf(vendor, modelFacts),
      credentialProblem: credentialProblems.get(name) ?? "",
      revision: createHash("sha256").update(JSON.stringify([baseUrl, settings])).digest("base64"),
    })),
  });
}

function offersOf({ nativeDialects, operations, speech, relays = [] }: VendorAdapter): { operation: string; nativeDialects: string[] }[] {
  const unary = Object.entries(operations) as [UnaryName, UnaryAdapters[UnaryName]][];
  const others: readonly (readonly [RelayForm["operation"], string | undefined])[] = [
    ...unary.map(([name, adapter]) => [name, adapter?.native?.dialect] as const),
    ...(speech === undefined ? [] : [["synthesizeSpeech", undefined] as const]),
    ...(["files", "batches"] as const).filter((name) => relays.some(({ operation }) => operation === name)).map((name) => [name, undefined] as const),
  ];
  return [
    { operation: "generate", nativeDialects: [...nativeDialects] },
    ...others.map(([name, dialect]) => {
      const relayed = relays.filter(({ operation }) => operation === name).map((relay) => relay.dialect);
      return { operation: ledgerWord(name), nativeDialects: [...new Set([...(dialect === undefined ? [] : [dialect]), ...relayed])] };
    }),
  ];
}

/** By the vendor's name of the model. */
function factsOf(vendor: string, modelFacts: ProvidersConfig["modelFacts"]): Record<string, ModelFacts> {
  const prefix = `${vendor}/`;
  return Object.fromEntries([...modelFacts].flatMap(([name, facts]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), facts]] : [])));
}
