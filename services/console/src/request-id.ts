/** Owns the ids by which a repeated change is known for the same. */

/** A new one; `crypto.randomUUID` is not to be had where the page came without TLS. */
export function newRequestId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
