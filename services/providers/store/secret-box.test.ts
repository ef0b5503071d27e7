import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Secret } from "#platform/secret.ts";
import { LocalKey, openSecret, sealSecret } from "./secret-box.ts";

const key = new LocalKey(new Secret("k".repeat(43)));
const canary = "sk-canary-0123456789";

describe("a sealed secret", () => {
  it("is opened in its row, under its key, whatever it is", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 500 }), fc.string(), async (text, row) => {
        const wellFormed = text.toWellFormed();
        expect((await openSecret(await sealSecret(new Secret(wellFormed), row, key), row, key)).reveal()).toBe(wellFormed);
      }),
    );
  });

  it("is not opened in another row, nor under another key, nor with any bit changed", async () => {
    const sealed = await sealSecret(new Secret(canary), "cred_1", key);
    await expect(openSecret(sealed, "cred_2", key)).rejects.toThrow();
    await expect(openSecret(sealed, "cred_1", new LocalKey(new Secret("j".repeat(43))))).rejects.toThrow();
    for (let index = 0; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1;
      await expect(openSecret(changed, "cred_1", key)).rejects.toThrow();
    }
    await expect(openSecret(sealed.subarray(0, -1), "cred_1", key)).rejects.toThrow();
  });

  it("shows nothing of itself, and looks different each time", async () => {
    const [first, second] = await Promise.all([sealSecret(new Secret(canary), "cred_1", key), sealSecret(new Secret(canary), "cred_1", key)]);
    expect(first.equals(second)).toBe(false);
    expect(first.includes(canary)).toBe(false);
  });

  it("is known again by its fingerprint, under the same key alone", () => {
    expect(key.fingerprint(new Secret(canary))).toBe(key.fingerprint(new Secret(canary)));
    expect(key.fingerprint(new Secret(canary))).not.toBe(new LocalKey(new Secret("j".repeat(43))).fingerprint(new Secret(canary)));
    expect(key.fingerprint(new Secret(canary))).toMatch(/^[0-9a-f]{16}$/);
  });
});
