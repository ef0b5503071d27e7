import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { partsThatNeedRestart } from "./restart-needed.ts";

type ConfigInit = MessageInitShape<typeof ConfigSchema>;

test.each<[expected: readonly string[], started: ConfigInit, changed: ConfigInit]>([
  [[], {}, {}],
  [[], { listen: { port: 1 } }, { listen: { port: 1, trustedProxies: ["10.0.0.0/8"] }, logging: { level: "debug" }, limits: { maxBodyBytes: 5n } }],
  [["listen"], { listen: { port: 1 } }, { listen: { port: 2 } }],
  [["listen"], {}, { listen: { address: "0.0.0.0" } }],
  [["internal"], { internal: { port: 1 } }, {}],
  [["peers"], { peers: { policy: "dns:///a:1" } }, { peers: { policy: "dns:///b:1" } }],
  [[], { vault: { address: "https://a" } }, { vault: { address: "https://b" } }],
  [["vault"], { vault: { address: "https://a" } }, { vault: { address: "https://a", transit: { key: "weir" } } }],
  [[], { cache: { maxBytes: 1n } }, { cache: { maxBytes: 2n } }],
  [["cache.shared"], { cache: { maxBytes: 1n, shared: { secret: "a" } } }, { cache: { maxBytes: 1n } }],
  [["events", "limits.max_journal_bytes"], {}, { events: { nats: { url: "nats://a" } }, limits: { maxJournalBytes: 5n } }],
])("%j", (expected, started, changed) => {
  expect(partsThatNeedRestart(create(ConfigSchema, started), create(ConfigSchema, changed))).toEqual(expected);
});
