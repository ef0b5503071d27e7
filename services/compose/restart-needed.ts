/** Owns which parts of the configuration hold from the start of a process to its end. */
import { create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";

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

function partOf(name: string, file: Config): Config {
  return create(ConfigSchema, fixedParts[name]!(file));
}
