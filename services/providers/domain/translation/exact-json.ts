/** Owns JSON that passes through unchanged in value: whole numbers too long for a double keep their digits. */

/** JSON.rawJSON and the reviver's context are in Node 24, but not yet in TypeScript's library. */
const exactJson = JSON as unknown as {
  rawJSON(text: string): unknown;
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
};

/** The parsed value; stringified again, it has the same numbers. Throws SyntaxError. */
export function parseExactJson(text: string): unknown {
  // The reviver is slow, and few texts have such numbers.
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  return exactJson.parse(text, (_key, value, { source }) => {
    const isTooLong = typeof value === "number" && source !== undefined && !Number.isSafeInteger(value) && /^-?\d+$/.test(source);
    return isTooLong ? exactJson.rawJSON(source) : value;
  });
}
