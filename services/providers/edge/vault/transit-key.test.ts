/** Owns the proof that a key of Vault's transit engine wraps data keys, each for its place alone, and that Vault sees nothing else. */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VaultSchema, VaultTransitSchema } from "#gen/weir/config/v1/vault_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { newTransitKey, startVaultServer, type VaultServer } from "../../testing/vault-server.ts";
import { TransitKey } from "./transit-key.ts";
import { VaultClient } from "./vault-client.ts";

let server: VaultServer;
beforeEach(async () => {
  server = await startVaultServer();
});
afterEach(() => server.stop());

function keyNamed(key: string, mount = ""): TransitKey {
  const settings = create(VaultSchema, { address: server.address, signIn: { case: "token", value: server.createToken() } });
  return new TransitKey(create(VaultTransitSchema, { key, mount }), new VaultClient(settings), systemClock);
}

const unavailable = (cause: string): unknown => expect.objectContaining({ reason: "DEPENDENCY_UNAVAILABLE", message: expect.stringContaining(cause) });

describe.each([["a key", false], ["a derived key", true]])("%s of the transit engine", (_, isDerived) => {
  beforeEach(() => server.state.transitKeys.set("weir", newTransitKey(isDerived)));

  it("unwraps what it has wrapped, in its place and no other", async () => {
    const key = keyNamed("weir");
    const dataKey = randomBytes(32);
    const wrapped = await key.wrap(dataKey, "cred_1");
    expect(wrapped.toString()).toMatch(/^vault:v1:/);
    expect(await key.unwrap(wrapped, "cred_1")).toEqual(dataKey);
    await expect(key.unwrap(wrapped, "cred_2")).rejects.toThrow("Vault answered POST transit/decrypt/weir with the status 400: invalid ciphertext: unable to decrypt");
  });

  it("unwraps what its earlier versions have wrapped, until Vault does not", async () => {
    const state = server.state.transitKeys.get("weir")!;
    const key = keyNamed("weir");
    const dataKey = randomBytes(32);
    const wrapped = await key.wrap(dataKey, "cred_1");
    state.versions.push(randomBytes(32));
    expect(await key.unwrap(wrapped, "cred_1")).toEqual(dataKey);
    expect((await key.wrap(dataKey, "cred_1")).toString()).toMatch(/^vault:v2:/);
    state.oldestForDecryption = 2;
    await expect(key.unwrap(wrapped, "cred_1")).rejects.toThrow("too old");
  });

  it("knows a secret again, without showing it to Vault", async () => {
    server.state.transitKeys.set("another", newTransitKey(isDerived));
    const secret = new Secret("sk-canary");
    const fingerprint = await keyNamed("weir").fingerprint(secret);
    expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);
    expect(await keyNamed("weir").fingerprint(secret)).toBe(fingerprint);
    expect(await keyNamed("weir").fingerprint(new Secret("sk-other"))).not.toBe(fingerprint);
    expect(await keyNamed("another").fingerprint(secret)).not.toBe(fingerprint);
    for (const { body } of server.requests) expect(Buffer.from(String(body["input"]), "base64").toString("latin1")).not.toContain("canary");
  });
});

it("is not there while Vault is sealed, down, or does not let Weir use it; it is none where Vault has no such key", async () => {
  server.state.transitKeys.set("weir", newTransitKey());
  const key = keyNamed("weir");
  const wrapped = await key.wrap(randomBytes(32), "cred_1");
  server.state.isSealed = true;
  await expect(key.unwrap(wrapped, "cred_1")).rejects.toEqual(unavailable("Vault is sealed"));
  await expect(key.fingerprint(new Secret("x"))).rejects.toEqual(unavailable("Vault is sealed"));
  server.state.isSealed = false;
  await expect(keyNamed("none").wrap(randomBytes(32), "cred_1")).rejects.toEqual(unavailable("encryption key not found"));
  await expect(keyNamed("weir", "team/transit").unwrap(wrapped, "cred_1")).rejects.toEqual(unavailable("POST team/transit/decrypt/weir with the status 403"));
  const stranger = new VaultClient(create(VaultSchema, { address: server.address, signIn: { case: "appRole", value: { roleId: "unknown" } } }));
  await expect(new TransitKey(create(VaultTransitSchema, { key: "weir" }), stranger, systemClock).unwrap(wrapped, "cred_1")).rejects.toEqual(unavailable("Weir could not sign in. Vault answered POST auth/approle/login with the status 400"));
  await server.goDown();
  await expect(key.wrap(randomBytes(32), "cred_1")).rejects.toEqual(unavailable("Vault gave no answer to POST transit/encrypt/weir"));
  await server.comeBack();
});
