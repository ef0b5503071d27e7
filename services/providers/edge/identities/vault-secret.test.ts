/** Owns the proof of what is read of a secret in Vault, and how long it is taken for true. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VaultSchema, VaultSecretSchema } from "#gen/weir/config/v1/vault_pb.ts";
import { createLogger } from "#platform/logger.ts";
import type { ObtainedCredential } from "../../domain/credentials/credential-source.ts";
import { startVaultServer, type VaultServer } from "../../testing/vault-server.ts";
import { VaultClient } from "../vault/vault-client.ts";
import { RenewedCredential } from "./renewed-credential.ts";
import { obtainVaultSecret } from "./vault-secret.ts";

const startMs = 1_000_000_000;

let server: VaultServer;
let nowMs: number;
beforeEach(async () => {
  server = await startVaultServer();
  nowMs = startMs;
  server.state.nowMs = () => nowMs;
});
afterEach(() => server.stop());

function clientOfServer(refreshMs?: number): VaultClient {
  return new VaultClient(create(VaultSchema, { address: server.address, signIn: { case: "token", value: server.createToken() }, ...(refreshMs === undefined ? {} : { refreshInterval: durationFromMs(refreshMs) }) }));
}

function obtain(secret: MessageInitShape<typeof VaultSecretSchema>, client = clientOfServer()): Promise<ObtainedCredential> {
  return obtainVaultSecret(create(VaultSecretSchema, secret), client, nowMs, new AbortController().signal);
}

describe("a key in Vault", () => {
  it.each([
    ["version 2 of the key-value engine", { path: "secret/data/openai" }, { api_key: "sk-1", other: "x" }],
    ["a field of its own", { path: "secret/data/openai", field: "key" }, { key: "sk-1", data: "x" }],
    ["version 1", { path: "kv/openai" }, { api_key: "sk-1" }],
    ["version 1, beside what looks like version 2", { path: "kv/openai" }, { api_key: "sk-1", data: "x", metadata: "y" }],
    ["a file with a line's end", { path: "secret/data/openai" }, { api_key: "sk-1\n" }],
  ])("is read out of %s", async (_, secret, fields) => {
    server.state.secrets.set(secret.path, fields);
    const { credential, ...facts } = await obtain(secret);
    expect(credential.reveal()).toBe("sk-1");
    expect(facts).toEqual({ expiresAtMs: Infinity, lookAgainAfterMs: 60_000 });
  });

  it("is looked at again as often as the operator says", async () => {
    server.state.secrets.set("kv/openai", { api_key: "sk-1" });
    expect(await obtain({ path: "kv/openai" }, clientOfServer(5_000))).toMatchObject({ lookAgainAfterMs: 5_000 });
  });

  it("that is lent has an end", async () => {
    server.state.leaseSeconds = 600;
    const { credential, ...facts } = await obtain({ path: "keys/openai" });
    expect(credential.reveal()).toMatch(/^sk-lent-/);
    expect(facts).toEqual({ expiresAtMs: startMs + 600_000 });
  });

  it.each([
    [{ key: "canary" }, "the secret at secret/data/openai in Vault has no text in its field api_key; its fields are key"],
    [{ api_key: 5 }, "has no text in its field api_key"],
    [{}, "its fields are none"],
    [{ api_key: "canary and more" }, "the field api_key of the secret at secret/data/openai in Vault holds a space"],
  ])("in %j is none, and the error says why without it", async (fields, message) => {
    server.state.secrets.set("secret/data/openai", fields);
    const error = (await obtain({ path: "secret/data/openai" }).catch((cause: unknown) => cause)) as Error;
    expect(error.message).toContain(message);
    expect(error.message).not.toContain("canary");
  });
});

describe("a provider whose key stands in Vault", () => {
  function providerWith(client = clientOfServer()) {
    const causes: unknown[] = [];
    const logger = { ...createLogger("silent"), warn: ({ cause }: { cause: unknown }) => causes.push(cause) } as never;
    const source = new RenewedCredential({ provider: "main", obtain: (now, signal) => obtainVaultSecret(create(VaultSecretSchema, { path: "secret/data/openai" }), client, now, signal), clock: { now: () => nowMs, monotonicMs: () => nowMs }, logger });
    return { source, causes, shown: () => source.choose()?.reveal() };
  }

  it("shows the new key after at most twice the interval, though nobody called meanwhile", async () => {
    const { source, shown } = providerWith();
    server.state.secrets.set("secret/data/openai", { api_key: "sk-1" });
    await source.prepare();
    server.state.secrets.set("secret/data/openai", { api_key: "sk-2" });
    nowMs += 59_999;
    expect([source.prepare(), shown()]).toEqual([undefined, "sk-1"]);
    nowMs += 60_001;
    await source.prepare();
    expect(shown()).toBe("sk-2");
  });

  it("shows the last one while Vault is sealed, says so in the log, and lets nobody wait again before Vault is back", async () => {
    const { source, causes, shown } = providerWith();
    server.state.secrets.set("secret/data/openai", { api_key: "sk-1" });
    await source.prepare();
    server.state.isSealed = true;
    nowMs += 3_600_000;
    await source.prepare();
    expect(causes).toEqual([expect.stringContaining("the status 503: Vault is sealed")]);
    expect([source.prepare(), shown()]).toEqual([undefined, "sk-1"]);
    nowMs += 5_000;
    expect([source.prepare(), shown()]).toEqual([undefined, "sk-1"]);
  });

  it("reads it again when its vendor refuses it, and shows it all the same where there is no other", async () => {
    const { source, shown } = providerWith();
    server.state.secrets.set("secret/data/openai", { api_key: "sk-1" });
    await source.prepare();
    const first = source.choose()!;
    nowMs += 5_000;
    source.refused(first);
    await source.prepare();
    expect(source.choose()).toBe(first);
    nowMs += 5_000;
    server.state.secrets.set("secret/data/openai", { api_key: "sk-2" });
    source.refused(first);
    await source.prepare();
    expect(shown()).toBe("sk-2");
    nowMs += 5_000;
    server.state.isSealed = true;
    source.refused(source.choose()!);
    await source.prepare();
    expect([source.prepare(), shown()]).toEqual([undefined, "sk-2"]);
  });

  it("has no credential where there never was a key", async () => {
    const { source, causes } = providerWith();
    await expect(source.prepare()).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", metadata: { provider: "main" } });
    expect(causes).toEqual(["Vault answered GET secret/data/openai with the status 404: there is nothing"]);
  });
});
