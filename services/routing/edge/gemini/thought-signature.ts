/**
 * Owns signatures in Gemini's form, where they are bytes: its Python client refuses what is no base64, and sends base64 back in the
 * alphabet for URLs (`val_json_bytes` of pydantic). So one that names its vendor in front, which base64 never does, goes as the bytes of its text.
 */

const mark = "weir:";

export function writeSignature(signature: string): string {
  return /^[a-z_]+:/.test(signature) ? Buffer.from(mark + signature).toString("base64") : signature;
}

export function readSignature(written: string): string {
  const text = Buffer.from(written, "base64").toString();
  return text.startsWith(mark) ? text.slice(mark.length) : written;
}
