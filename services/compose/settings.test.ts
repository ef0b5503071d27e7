import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { readSettings } from "./settings.ts";

test("alerts go to NATS only where there is one", () => {
  const file = create(ConfigSchema, { alerts: { nats: true } });
  expect(() => readSettings(file, {})).toThrow(/^alerts[.]nats: there is no NATS/);
  expect(readSettings(file, { WEIR_NATS_URL: "nats://127.0.0.1:4222" }).policy.alerts.nats).toBe(true);
});
