/** Owns bytes in JSON: base64, in the standard alphabet or the one for URLs. */

/** The bytes, or undefined when the text is no base64. */
export function readBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  // Node skips what is no base64, so only the length tells that all of it was.
  return bytes.length === Math.floor((text.replace(/=+$/, "").length * 3) / 4) ? bytes : undefined;
}

export function writeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
