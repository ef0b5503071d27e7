/** Owns the form of the secret of a session at the console: what its cookie carries, and what of that is stored and sent on. */
import { createHmac, type KeyObject } from "node:crypto";
import { Secret } from "./secret.ts";

/** How many random bytes a secret is made of. */
export const sessionSecretRandomBytes = 32;

// Neither a key's secret nor anything that is signed begins so: under the one pepper, no digest is taken for that of another.
const marker = "weirs_";
const form = /^weirs_[\w-]{43}$/;

/** The secret made of 32 random bytes: `weirs_`, and they in base64url. */
export function formatSessionSecret(randomBytes: Uint8Array): Secret {
  if (randomBytes.length !== sessionSecretRandomBytes) throw new RangeError(`A session's secret takes ${sessionSecretRandomBytes} random bytes, not ${randomBytes.length}.`);
  return new Secret(marker + Buffer.from(randomBytes).toString("base64url"));
}

/** Whether the text has the form of a secret; whether there is such a session, only policy knows. */
export function isSessionSecret(text: string): boolean {
  return form.test(text);
}

/** HMAC-SHA256 of a secret under the installation's pepper: 32 bytes. */
export function digestOfSessionSecret(secret: string, pepper: KeyObject): Buffer {
  return createHmac("sha256", pepper).update(secret).digest();
}
