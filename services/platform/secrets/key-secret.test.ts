import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digestOfKeySecret, formatKeySecret, isKeySecret, shownPartOfKeySecret } from "./key-secret.ts";
import { Secret } from "./secret.ts";

const randomBytes = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe("a key's secret", () => {
  it("is recognised as it was made", () => {
    fc.assert(fc.property(randomBytes, (bytes) => isKeySecret(formatKeySecret(bytes).reveal())));
  });

  it("is always 64 characters that survive a double click, a URL and a shell", () => {
    fc.assert(fc.property(randomBytes, (bytes) => /^weir_[0-9a-z]{59}$/.test(formatKeySecret(bytes).reveal())));
  });

  it("is refused with any single character changed, wherever and to whatever", () => {
    const change = fc.record({ bytes: randomBytes, place: fc.nat({ max: 63 }), character: fc.oneof(fc.string({ minLength: 1, maxLength: 1 }), fc.constantFrom(..."0123456789abcdefghjkmnpqrstvwxyz_ILO")) });
    fc.assert(
      fc.property(change, ({ bytes, place, character }) => {
        const secret = formatKeySecret(bytes).reveal();
        fc.pre(secret[place] !== character);
        return !isKeySecret(secret.slice(0, place) + character + secret.slice(place + 1));
      }),
      { numRuns: 2_000 },
    );
  });

  it("is refused with a character missing, added or swapped with its neighbour", () => {
    fc.assert(
      fc.property(randomBytes, fc.nat({ max: 62 }), (bytes, place) => {
        const secret = formatKeySecret(bytes).reveal();
        const swapped = secret.slice(0, place) + secret[place + 1] + secret[place] + secret.slice(place + 2);
        return !isKeySecret(secret.slice(0, place) + secret.slice(place + 1)) && !isKeySecret(`${secret} `) && !isKeySecret(`${secret}\n`) && (swapped === secret || !isKeySecret(swapped));
      }),
    );
  });

  it("differs for different random bytes, in secret and digest", () => {
    fc.assert(
      fc.property(randomBytes, fc.nat({ max: 255 }), (bytes, bit) => {
        const other = Uint8Array.from(bytes);
        other[bit >> 3]! ^= 1 << (bit & 7);
        expect(formatKeySecret(other).reveal()).not.toBe(formatKeySecret(bytes).reveal());
      }),
    );
  });

  it("is made of exactly 32 random bytes", () => {
    expect(() => formatKeySecret(new Uint8Array(31))).toThrow(RangeError);
  });

  it("has this form for good: keys that are in use must stay valid", () => {
    const secret = formatKeySecret(Uint8Array.from({ length: 32 }, (_, index) => index)).reveal();
    expect(secret).toBe("weir_000g40r40m30e209185gr38e1w8124gk2gahc5rr34d1p70x3rfgtp91thg");
    expect(Buffer.from(digestOfKeySecret(secret, createSecretKey("pepper", "utf8"))).toString("hex")).toBe("530ea685d7f04f260d6e12cae4d574b48c8c381539a9dba3b4e1fae883f659df");
    expect(shownPartOfKeySecret(new Secret(secret))).toBe("weir_000g40r");
  });

  it("has another digest under another pepper", () => {
    const secret = formatKeySecret(new Uint8Array(32)).reveal();
    expect(digestOfKeySecret(secret, createSecretKey("one", "utf8"))).not.toEqual(digestOfKeySecret(secret, createSecretKey("two", "utf8")));
  });
});
