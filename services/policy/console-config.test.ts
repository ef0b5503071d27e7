import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import type { ConsoleSchema } from "#gen/weir/config/v1/console_pb.ts";
import { validateMessage } from "#platform/rpc/validation.ts";
import { readPolicyConfig } from "./config.ts";
import type { ConsoleClient } from "./console-config.ts";

const issuer = "https://login.example.com";
const whole = { issuer, clientId: "weir", origin: "https://weir.example.com" };

function read(console: MessageInitShape<typeof ConsoleSchema>): ConsoleClient | undefined {
  const file = create(ConfigSchema, { console, identity: { issuers: [{ issuer, audiences: ["api"], callers: [{ organization: "acme" }] }] } });
  validateMessage(ConfigSchema, file);
  return readPolicyConfig(file).console;
}

test("people come back to the console's own address, as whom the issuer says at least who they are", () => {
  expect(read(whole)).toMatchObject({ redirectUri: "https://weir.example.com/console/callback", clientSecret: undefined, scopes: ["openid", "profile", "email"] });
  expect(read({ ...whole, scopes: ["groups"] })?.scopes).toEqual(["openid", "groups"]);
  expect(read({ origin: whole.origin })).toBeUndefined();
});

describe("nothing is taken", () => {
  test.each<[string, MessageInitShape<typeof ConsoleSchema>, string]>([
    ["of an issuer whose people nobody knows", { ...whole, issuer: "https://other.example.com" }, "identity.issuers"],
    ["without the client", { ...whole, clientId: "" }, "go together"],
    ["without the address", { ...whole, origin: "" }, "go together"],
    ["of a client without an issuer", { clientId: "weir" }, "go together"],
    ["with a path in the address", { ...whole, origin: "https://weir.example.com/" }, "console.origin"],
    ["without TLS on the way", { ...whole, origin: "http://weir.example.com" }, "console.origin"],
    ["with two scopes in one", { ...whole, scopes: ["openid groups"] }, "console.scopes"],
  ])("%s", (_, console, message) => {
    expect(() => read(console)).toThrow(message);
  });
});
