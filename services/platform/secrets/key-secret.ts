/** Owns the form of a key's secret: how it is made, told from junk without asking anybody, and turned into what is stored. */
import { createHmac, type KeyObject } from "node:crypto";
import { crc32 } from "node:zlib";
import { Secret } from "./secret.ts";

/** How many random bytes a secret is made of. */
export const keySecretRandomBytes = 32;

const marker = "weir_";
// Crockford's base 32, as in ids: lower case only, and no letter is mistaken for a digit.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
const bodyLength = 52;
const checksumLength = 7;
const form = new RegExp(`^${marker}[${alphabet}]{${bodyLength + checksumLength}}$`);
const shownLength = marker.length + 7;

/** The secret made of 32 random bytes: `weir_`, their 52 characters, and 7 characters of checksum. */
export function formatKeySecret(randomBytes: Uint8Array): Secret {
  if (randomBytes.length !== keySecretRandomBytes) throw new RangeError(`A key's secret takes ${keySecretRandomBytes} random bytes, not ${randomBytes.length}.`);
  const body = encodeBase32(randomBytes);
  return new Secret(`${marker}${body}${checksumOf(body)}`);
}

/** True when the text has the form of a secret and its checksum is right; whether such a key exists only policy knows. */
export function isKeySecret(text: string): boolean {
  if (!form.test(text)) return false;
  const checksumStart = text.length - checksumLength;
  return text.slice(checksumStart) === checksumOf(text.slice(marker.length, checksumStart));
}

/** HMAC-SHA256 of a secret under the installation's pepper: 32 bytes, the only form in which a secret is stored or sent on. */
export function digestOfKeySecret(secret: string, pepper: KeyObject): Buffer {
  return createHmac("sha256", pepper).update(secret).digest();
}

/** The first characters of a secret, for people to recognise it by; what stays hidden is still beyond guessing. */
export function shownPartOfKeySecret(secret: Secret): string {
  return secret.reveal().slice(0, shownLength);
}

/** A CRC finds every change that spans at most 32 bits, so every changed character. */
function checksumOf(body: string): string {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, crc32(body));
  return encodeBase32(bytes);
}

function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let pending = 0;
  let pendingBits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    pendingBits += 8;
    while (pendingBits >= 5) {
      pendingBits -= 5;
      text += alphabet[(pending >> pendingBits) & 31];
    }
    pending &= (1 << pendingBits) - 1;
  }
  return pendingBits === 0 ? text : text + alphabet[(pending << (5 - pendingBits)) & 31];
}
