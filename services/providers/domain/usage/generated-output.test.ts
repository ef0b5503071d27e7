/** Owns the proof that the beginning of what is generated is kept as it came, up to its bound. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { GeneratedText } from "./generated-output.ts";

const bound = 256 * 1024;

test("texts and bytes are kept in the order in which they come", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.string({ unit: "grapheme", maxLength: 2_000 }))), (pieces) => {
      const output = new GeneratedText();
      for (const [asBytes, text] of pieces) {
        const bytes = Buffer.from(`"${text}"`);
        if (asBytes) output.addBytes(bytes, 1, bytes.length - 1);
        else output.add(text);
      }
      const all = Buffer.from(pieces.map(([, text]) => text).join(""));
      expect(output.bytes).toBe(all.length);
      expect(Buffer.from(output.kept)).toEqual(all);
    }),
  );
});

test.each([
  ["one text", 1, 2 * bound],
  ["many", 1_000, 1_000],
])("of more than the bound, the beginning is kept: %s", (_name, count, length) => {
  const output = new GeneratedText();
  for (let index = 0; index < count; index++) output.add("x".repeat(length));
  expect(output).toMatchObject({ bytes: count * length });
  expect(Buffer.from(output.kept)).toEqual(Buffer.alloc(bound, "x"));
});

test("nothing is kept behind what was cut, and no half of a letter", () => {
  const output = new GeneratedText();
  output.add("x".repeat(bound - 1));
  output.add("é");
  output.add("y");
  expect(output.bytes).toBe(bound + 2);
  expect(Buffer.from(output.kept).toString()).toBe("x".repeat(bound - 1));
});
