import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Secret } from "#platform/secrets/secret.ts";
import { sealFormerly } from "../testing/seal-formerly.ts";
import { LocalKey, openSecret, sealSecret } from "./secret-box.ts";

const key = new LocalKey(new Secret("k".repeat(43)));
const dataKey = createSecretKey(Buffer.alloc(32, 1));
const place = { credentialId: "cred_1", organizationId: "org_1" };
const canary = "sk-canary-0123456789";

describe("a sealed secret", () => {
  it("is opened where it belongs, under its key, whatever it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 500 }), fc.string(), fc.string(), async (text, credentialId, organizationId) => {
        const wellFormed = text.toWellFormed();
        const place = { credentialId, organizationId };
        expect((await openSecret(sealSecret(new Secret(wellFormed), place, dataKey), place, dataKey, [key])).reveal()).toBe(wellFormed);
      }),
    );
  });

  it("is not opened in another row or organization, nor under another key or none, nor with any bit changed", async () => {
    const sealed = sealSecret(new Secret(canary), place, dataKey);
    await expect(openSecret(sealed, { ...place, credentialId: "cred_2" }, dataKey, [key])).rejects.toThrow();
    await expect(openSecret(sealed, { ...place, organizationId: "org_2" }, dataKey, [key])).rejects.toThrow();
    await expect(openSecret(sealed, { ...place, organizationId: "" }, dataKey, [key])).rejects.toThrow();
    await expect(openSecret(sealed, place, createSecretKey(Buffer.alloc(32, 2)), [key])).rejects.toThrow();
    await expect(openSecret(sealed, place, undefined, [key])).rejects.toThrow();
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      await expect(openSecret(changed, place, dataKey, [key])).rejects.toThrow();
    }
    await expect(openSecret(sealed.subarray(0, -1), place, dataKey, [key])).rejects.toThrow();
  });

  it("shows nothing of itself, and looks different each time", () => {
    const [first, second] = [sealSecret(new Secret(canary), place, dataKey), sealSecret(new Secret(canary), place, dataKey)];
    expect(first.equals(second)).toBe(false);
    expect(first.includes(canary)).toBe(false);
  });

  it("is opened in the form before, as one of the installation's alone", async () => {
    const sealed = await sealFormerly(canary, "cred_1", key);
    const former = { credentialId: "cred_1", organizationId: "" };
    for (const present of [undefined, dataKey]) expect((await openSecret(sealed, former, present, [key])).reveal()).toBe(canary);
    await expect(openSecret(sealed, place, dataKey, [key])).rejects.toThrow();
    await expect(openSecret(sealed, { ...former, credentialId: "cred_2" }, dataKey, [key])).rejects.toThrow();
  });

  it("is known again by its fingerprint, under the same key alone", async () => {
    expect(await key.fingerprint(new Secret(canary))).toBe(await key.fingerprint(new Secret(canary)));
    expect(await key.fingerprint(new Secret(canary))).not.toBe(await new LocalKey(new Secret("j".repeat(43))).fingerprint(new Secret(canary)));
    expect(await key.fingerprint(new Secret(canary))).toMatch(/^[0-9a-f]{16}$/);
  });
});
