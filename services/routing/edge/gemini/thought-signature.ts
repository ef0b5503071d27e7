/**
 * Owns signatures in Gemini's form, where they are bytes: its Python client refuses what is no base64, and sends base64 back in the
 * alphabet for URLs (`val_json_bytes` of pydantic). What Weir writes is the base64 of its text behind a mark, by which providers tell
 * it from Google's own, which other vendors refuse as Google refuses theirs.
 */

const mark = "weir:";
/** The vendor in front of a signature that came from Google itself, as signatures name theirs. */
const googles = "gemini::";

/** Of an empty one the mark alone: by it Google's validator is told of a call that its model did not make. */
export function writeSignature(signature: string): string {
  return Buffer.from(mark + signature).toString("base64");
}

export function readSignature(written: string): string {
  if (written === "") return "";
  const text = Buffer.from(written, "base64").toString();
  return text.startsWith(mark) ? text.slice(mark.length) : googles + written;
}
