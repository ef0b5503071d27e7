/** Owns encryption at rest: AES-256-GCM, bound to the place where the sealed bytes belong. */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from "node:crypto";

const algorithm = "aes-256-gcm";
const nonceBytes = 12;
const tagBytes = 16;

/** Nonce, tag, ciphertext. They open for the same place alone. */
export function seal(plain: Uint8Array, key: KeyObject, place: readonly (string | number)[]): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(JSON.stringify(place)));
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]);
}

/** Undefined when they were sealed by another key, for another place, or were changed. */
export function unseal(sealed: Uint8Array, key: KeyObject, place: readonly (string | number)[]): Buffer | undefined {
  if (sealed.length < nonceBytes + tagBytes) return undefined;
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(JSON.stringify(place)))
    .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()]);
  } catch {
    return undefined;
  }
}
