import fc from "fast-check";
import { expect, test } from "vitest";
import { rewriteScalars } from "./json-strings.ts";

const rewriteText = (text: string, rewrite: Parameters<typeof rewriteScalars>[1]): string => Buffer.from(rewriteScalars(Buffer.from(text), rewrite)).toString();

test("what is not rewritten stays as it came, byte for byte", () => {
  const text = `{ "b" :1.50,\n "a":["x\\u0041", {"c" : "y" }, -3e4, true,null] , "s":"\\"q\\\\" }`;
  const body = Buffer.from(text);
  expect(rewriteScalars(body, ({ text: same }) => same)).toBe(body);
  expect(rewriteText(text, ({ text: one }) => (one === "xA" ? `new "text"` : one))).toBe(text.replace(`"x\\u0041"`, `"new \\"text\\""`));
});

test("each scalar comes with the members around it", () => {
  const seen: [string, string, boolean][] = [];
  rewriteText(`{"a":[{"b":"1"},"2",["3"]],"c":{"d":{"e":4}},"f":"5","":"6"}`, ({ text, names, isNumber }) => {
    seen.push([text, names.join("/"), isNumber]);
    return text;
  });
  expect(seen).toEqual([["1", "a/b", false], ["2", "a", false], ["3", "a", false], ["4", "c/d/e", true], ["5", "f", false], ["6", "", false]]);
});

test("any JSON is read whole, and rewritten as if it had been parsed", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(undefined, 2), (value, indent) => {
      const shout = (text: string): string => `${text}!`;
      const rewritten: unknown = JSON.parse(rewriteText(JSON.stringify(value, undefined, indent), ({ text, isNumber }) => (isNumber ? text : shout(text))));
      const expected: unknown = JSON.parse(JSON.stringify(value), (_name, member: unknown) => (typeof member === "string" ? shout(member) : member));
      expect(rewritten).toEqual(expected);
    }),
  );
});
