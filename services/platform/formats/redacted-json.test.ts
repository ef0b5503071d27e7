import { fromJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { redactedJson } from "./redacted-json.ts";

test("secrets are left out however deep they are, and nothing else is", () => {
  const config = fromJson(ConfigSchema, {
    providers: { main: { vendor: "azure", apiKey: "sk-1" }, open: { vendor: "azure", entra: { tenantId: "t", clientSecret: "s-2" } } },
    limits: { lostJournalAfter: "5s" },
  });
  const json = redactedJson(ConfigSchema, config);
  expect(json).toEqual({ providers: { main: { vendor: "azure", apiKey: "[redacted]" }, open: { vendor: "azure", entra: { tenantId: "t", clientSecret: "[redacted]" } } }, limits: { lostJournalAfter: "5s" } });
  expect(JSON.stringify(json)).not.toMatch(/sk-1|s-2/);
});
