import fc from "fast-check";
import { expect, test } from "vitest";
import { Secret } from "#platform/secrets/secret.ts";
import { ReplySeal, sealBytes } from "./sealed-reply.ts";

const seal = new ReplySeal(new Secret("one secret of thirty-two letters"));
const other = new ReplySeal(new Secret("another one of as many letters.."));
const reply = fc.record({ bytes: fc.uint8Array({ maxLength: 200 }), keptTimeMs: fc.double({ min: 0, max: 8.64e15, noNaN: true }) });

test("a reply is itself again under its subject and its secret, and nowhere else", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), reply, (key, otherKey, { bytes, keptTimeMs }) => {
      const subject = seal.subjectOf(key);
      const sealed = seal.seal(subject, { bytes, keptTimeMs });
      expect(sealed).toHaveLength(bytes.length + sealBytes);
      const opened = seal.open(subject, sealed)!;
      expect([opened.keptTimeMs, [...opened.bytes]]).toEqual([keptTimeMs, [...bytes]]);
      expect(other.open(subject, sealed)).toBeUndefined();
      expect(seal.open(seal.subjectOf(otherKey), sealed) === undefined).toBe(key !== otherKey);
    }),
  );
});

test("whatever is changed or cut, it is not opened", () => {
  const subject = seal.subjectOf("key");
  const sealed = seal.seal(subject, { bytes: Buffer.from("the reply"), keptTimeMs: 5 });
  for (let place = 0; place < sealed.length; place++) {
    const changed = Buffer.from(sealed);
    changed[place]! ^= 1;
    expect(seal.open(subject, changed)).toBeUndefined();
    expect(seal.open(subject, sealed.subarray(0, place))).toBeUndefined();
  }
});

test("the subject is one token, the same for the same key and secret alone, and says nothing of the key", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, otherKey) => {
      expect(seal.subjectOf(key)).toMatch(/^weir[.]cache[.][A-Za-z0-9_-]{43}$/);
      expect(seal.subjectOf(key) === seal.subjectOf(otherKey)).toBe(key === otherKey);
      expect(seal.subjectOf(key)).not.toBe(other.subjectOf(key));
    }),
  );
});
