/** Owns which parts of the configuration hold from the start of a process to its end. */
import { clearField, clone, create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import { CacheSchema } from "#gen/weir/config/v1/cache_pb.ts";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";
import { LimitsSchema } from "#gen/weir/config/v1/limits_pb.ts";
import { VaultSchema } from "#gen/weir/config/v1/vault_pb.ts";

type ConfigInit = Exclude<MessageInitShape<typeof ConfigSchema>, Config>;

/** By the name in weir.yaml, the file with nothing else in it. */
const fixedParts: Readonly<Record<string, (file: Config) => ConfigInit>> = {
  // The proxies alone are taken over at once.
  listen: ({ listen }) => (listen === undefined ? {} : { listen: { ...listen, trustedProxies: [] } }),
  internal: ({ internal }) => (internal === undefined ? {} : { internal }),
  peers: ({ peers }) => ({ peers }),
  "alerts.nats": ({ alerts }) => (alerts?.nats === true ? { alerts: { nats: true } } : {}),
  // Providers' keys are read from another one at once.
  vault: ({ vault }) => (vault?.transit === undefined ? {} : { vault }),
  events: ({ events }) => (events === undefined ? {} : { events }),
  "cache.shared": ({ cache }) => (cache?.shared === undefined ? {} : { cache: { shared: cache.shared } }),
  "limits.max_journal_bytes": ({ limits }) => (limits?.maxJournalBytes === undefined ? {} : { limits: { maxJournalBytes: limits.maxJournalBytes } }),
};

/** The names of the parts in which the file differs from the one that the process was started with, and which it cannot take over. */
export function partsThatNeedRestart(started: Config, changed: Config): string[] {
  return Object.keys(fixedParts).filter((name) => !equals(ConfigSchema, partOf(name, started), partOf(name, changed)));
}

/** Those parts of the file, and nothing else. */
export function fixedPartsOf(file: Config): Config {
  return create(ConfigSchema, Object.assign({}, ...Object.values(fixedParts).map((part) => part(file))) as ConfigInit);
}

/** The file as it is now, but for those parts, which are as they were at a start before. */
export function withFixedParts(file: Config, fixed: Config): Config {
  const joined = clone(ConfigSchema, file);
  const { listen, internal, peers, alerts, vault, events, cache, limits } = clone(ConfigSchema, fixed);
  for (const name of ["listen", "internal", "events"] as const) clearField(joined, ConfigSchema.field[name]);
  Object.assign(joined, listen && { listen }, internal && { internal }, events && { events }, vault && { vault }, { peers });
  if (joined.listen !== undefined) joined.listen.trustedProxies = file.listen?.trustedProxies ?? [];
  if (vault === undefined && joined.vault !== undefined) clearField(joined.vault, VaultSchema.field.transit);
  if (joined.alerts !== undefined) joined.alerts.nats = false;
  if (alerts !== undefined) (joined.alerts ??= alerts).nats = true;
  if (joined.cache !== undefined) clearField(joined.cache, CacheSchema.field.shared);
  if (cache?.shared !== undefined) (joined.cache ??= cache).shared = cache.shared;
  if (joined.limits !== undefined) clearField(joined.limits, LimitsSchema.field.maxJournalBytes);
  if (limits?.maxJournalBytes !== undefined) (joined.limits ??= limits).maxJournalBytes = limits.maxJournalBytes;
  return joined;
}

function partOf(name: string, file: Config): Config {
  return create(ConfigSchema, fixedParts[name]!(file));
}
