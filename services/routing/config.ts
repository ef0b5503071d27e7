/** Owns what routing takes from the configuration, with every default. */
import type { Duration } from "@bufbuild/protobuf/wkt";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Cache, SharedCache } from "#gen/weir/config/v1/cache_pb.ts";
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import type { Route as RouteMessage, RouteCase as RouteCaseMessage } from "#gen/weir/config/v1/route_pb.ts";
import type { GuardrailPlugin } from "#gen/weir/config/v1/guardrail_plugin_pb.ts";
import type { BreakerSettings } from "#platform/breaker.ts";
import { readCondition } from "#platform/condition.ts";
import { inField } from "#platform/config-file/faults.ts";
import { entryPath } from "#platform/config-file/field-path.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { CacheRule } from "./domain/cache/cache-rule.ts";
import type { Route } from "./domain/targets/plan.ts";
import { caseConditions, type RouteCase } from "./domain/targets/route-case.ts";
import type { PluginSettings } from "./edge/guardrail-plugins/plugin.ts";
import { readPluginTls } from "./edge/guardrail-plugins/plugin-tls.ts";
import type { KeptRepliesBounds } from "./store/kept-replies.ts";
import type { SharedRepliesSettings } from "./store/shared-replies.ts";

export interface RoutingConfig {
  /** By name. */
  readonly routes: ReadonlyMap<string, Route>;
  readonly maximumBodyBytes: number;
  /** Of requests whose bodies are held until they end, all together. */
  readonly maximumMediaBytes: number;
  readonly maximumConcurrentRequests: number;
  readonly requestTimeoutMs: number;
  /** After how much silence a stream gets a sign of life. */
  readonly streamKeepAliveMs: number;
  /** Origins of web pages that may call; `*` for any. */
  readonly allowedOrigins: readonly string[];
  /** The proxies whose word on the caller's address is taken, as ranges of IP addresses. */
  readonly trustedProxies: readonly string[];
  readonly breaker: BreakerSettings;
  /** The organizations whose requests and replies are kept; `*` for all. */
  readonly keptOrganizations: ReadonlySet<string>;
  /** Who judges texts for guardrails, by name. */
  readonly plugins: ReadonlyMap<string, PluginSettings>;
  readonly console: ConsoleSettings;
  /** Undefined where no reply is kept. */
  readonly cache: CacheSettings | undefined;
}

export interface CacheSettings extends KeptRepliesBounds {
  readonly rules: readonly CacheRule[];
  /** Undefined where each process keeps its own alone. */
  readonly shared: SharedRepliesSettings | undefined;
}

export interface ConsoleSettings {
  /** Who signs people in, beside by a key; undefined for nobody. */
  readonly issuer: string | undefined;
  /** Where browsers reach the public port, where that is known. */
  readonly origin: string | undefined;
}

/** Throws INVALID_REQUEST when the condition of a route's case cannot be used. */
export function readRoutingConfig(config: Config): RoutingConfig {
  return {
    routes: new Map(Object.entries(config.routes).map(([name, route]) => [name, readRoute(name, route)])),
    maximumBodyBytes: Number(config.limits?.maxBodyBytes ?? 32n * 1024n * 1024n),
    maximumMediaBytes: Number(config.limits?.maxMediaBytes ?? 512n * 1024n * 1024n),
    maximumConcurrentRequests: config.limits?.maxConcurrentRequests ?? 10_000,
    requestTimeoutMs: milliseconds(config.limits?.requestTimeout, 3_600_000),
    streamKeepAliveMs: milliseconds(config.limits?.streamKeepAlive, 15_000),
    allowedOrigins: config.cors?.allowedOrigins ?? [],
    trustedProxies: config.listen?.trustedProxies ?? [],
    breaker: {
      failurePercentage: config.breaker?.failurePercentage ?? 50,
      minimumCalls: config.breaker?.minimumCalls ?? 10,
      windowMs: milliseconds(config.breaker?.window, 10_000),
      openMs: milliseconds(config.breaker?.openTime, 10_000),
    },
    keptOrganizations: new Set(config.content?.organizations),
    plugins: new Map(Object.entries(config.guardrailPlugins).map(([name, plugin]) => [name, pluginSettings(plugin)])),
    console: { issuer: config.console?.issuer || undefined, origin: config.console?.origin || undefined },
    cache: config.cache && cacheSettings(config.cache),
  };
}

/** Throws INVALID_REQUEST for files of plug-ins that cannot be used: only a process of routing has them. */
export function checkPluginFiles({ plugins }: RoutingConfig): void {
  for (const [name, { tls }] of plugins) readPluginTls(name, tls);
}

function readRoute(name: string, { targets, cases, strict, order, weights, stickyLabel, hedgeAfter, retries }: RouteMessage): Route {
  return {
    targets,
    cases: cases.map((one, index) => readCase(one, `${entryPath("routes", name)}.cases[${index}]`)),
    strict,
    order: order === "weight" ? { by: order, weights, stickyLabel } : { by: (order || "listed") as "listed" | "price" | "latency" },
    hedgeAfterMs: hedgeAfter && durationMs(hedgeAfter),
    retries,
  };
}

function readCase({ where, targets }: RouteCaseMessage, field: string): RouteCase {
  return inField(field, () => ({ where, holds: readCondition(where, caseConditions), targets }));
}

function pluginSettings({ url, tls, secrets, maxConcurrentCalls, maxMessageBytes }: GuardrailPlugin): PluginSettings {
  return {
    url,
    tls: { authorityFile: tls?.authorityFile ?? "", certificateFile: tls?.certificateFile ?? "", keyFile: tls?.keyFile ?? "" },
    secrets: secrets.map((secret) => new Secret(secret)),
    maximumCalls: maxConcurrentCalls ?? 64,
    maximumMessageBytes: Number(maxMessageBytes ?? 4n * 1024n * 1024n),
  };
}

function cacheSettings({ maxBytes, maxEntryBytes, rules, shared }: Cache): CacheSettings {
  const maximumBytes = Number(maxBytes ?? 256n * 1024n * 1024n);
  return {
    maximumBytes,
    maximumEntryBytes: Number(maxEntryBytes ?? Math.min(1024 * 1024, Math.floor(maximumBytes / 4))),
    rules: rules.map(({ organizationId, teamId, keyId, models, lifetime, share, similar }) => ({
      organizationId,
      teamId,
      keyId,
      models,
      lifetimeMs: durationMs(lifetime!),
      share: (share || "organization") as CacheRule["share"],
      similar: similar && { model: similar.model, minimumSimilarity: similar.minimumSimilarity ?? 0.95, timeoutMs: milliseconds(similar.timeout, 1_000) },
    })),
    shared: shared && sharedSettings(shared),
  };
}

function sharedSettings({ secret, maxBytes, storage, replicas }: SharedCache): SharedRepliesSettings {
  return {
    secret: new Secret(secret),
    maximumBytes: Number(maxBytes ?? 256n * 1024n * 1024n),
    storage: (storage || "file") as SharedRepliesSettings["storage"],
    replicas: replicas ?? 1,
  };
}

function milliseconds(duration: Duration | undefined, defaultMs: number): number {
  return duration === undefined ? defaultMs : durationMs(duration);
}
