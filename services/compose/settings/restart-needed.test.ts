import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { fixedPartsOf, partsThatNeedRestart, withFixedParts } from "./restart-needed.ts";

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
  const [before, after] = [create(ConfigSchema, started), create(ConfigSchema, changed)];
  expect(partsThatNeedRestart(before, after)).toEqual(expected);
  expect(partsThatNeedRestart(before, withFixedParts(after, fixedPartsOf(before)))).toEqual([]);
});

test("what needs no restart is as it is now, beside parts of a start before", () => {
  const started = create(ConfigSchema, { listen: { port: 1, trustedProxies: ["10.0.0.0/8"] }, cache: { maxBytes: 1n, shared: { secret: "a" } }, limits: { maxBodyBytes: 1n, maxJournalBytes: 1n }, vault: { address: "https://a" } });
  const changed = create(ConfigSchema, { listen: { port: 2, trustedProxies: [] }, cache: { maxBytes: 2n }, limits: { maxBodyBytes: 2n }, vault: { address: "https://b", transit: { key: "weir" } }, alerts: { nats: true } });
  const expected = create(ConfigSchema, { listen: { port: 1 }, cache: { maxBytes: 2n, shared: { secret: "a" } }, limits: { maxBodyBytes: 2n, maxJournalBytes: 1n }, vault: { address: "https://b" }, alerts: {} });
  expect(withFixedParts(changed, fixedPartsOf(started))).toEqual(expected);
});
