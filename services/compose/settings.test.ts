import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { readSettings } from "./settings.ts";

test("alerts go to NATS only where there is one", () => {
  const file = create(ConfigSchema, { alerts: { nats: true } });
  expect(() => readSettings(file, {})).toThrow(/^alerts[.]nats: there is no NATS/);
  expect(readSettings(file, { WEIR_NATS_URL: "nats://127.0.0.1:4222" }).policy.alerts.nats).toBe(true);
});

test("replies are shared through NATS only where there is one", () => {
  const file = create(ConfigSchema, { cache: { rules: [{ lifetime: { seconds: 60n } }], shared: { secret: "a secret of more than thirty-two letters" } } });
  expect(() => readSettings(file, {})).toThrow(/^cache[.]shared: there is no NATS/);
  const { shared } = readSettings(file, { WEIR_NATS_URL: "nats://127.0.0.1:4222" }).routing.cache!;
  expect(shared).toMatchObject({ maximumBytes: 268_435_456, storage: "file", replicas: 1 });
  expect(JSON.stringify(shared)).not.toContain("letters");
});

test("what gives texts their vectors for the cache is a route, or a model of a provider", () => {
  const withModel = (model: string) => create(ConfigSchema, { providers: { up: { vendor: "openai", apiKey: "k", models: ["e"] } }, routes: { vectors: { targets: ["up/e"] } }, cache: { rules: [{ lifetime: { seconds: 60n } }, { lifetime: { seconds: 60n }, similar: { model } }] } });
  for (const model of ["vectors", "up/e", "up/other", "e"]) expect(readSettings(withModel(model), {}).routing.cache!.rules.map(({ similar }) => similar)).toEqual([undefined, { model, minimumSimilarity: 0.95, timeoutMs: 1_000 }]);
  for (const model of ["nobody/e", "routes"]) expect(() => readSettings(withModel(model), {})).toThrow(`cache.rules[1].similar.model: "${model}" names no route, and no model of a provider.`);
});
