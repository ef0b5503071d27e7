/** Owns the secrets of keys as policy deals with them: made at random, and stored without what would let them be used. */
import { randomBytes, type KeyObject } from "node:crypto";
import { digestOfKeySecret, formatKeySecret, keySecretRandomBytes, shownPartOfKeySecret } from "#platform/secrets/key-secret.ts";
import type { Secret } from "#platform/secrets/secret.ts";

/** What of a secret is stored. */
export interface StoredSecret {
  readonly secretPrefix: string;
  readonly secretDigest: Uint8Array;
}

export function newKeySecret(): Secret {
  return formatKeySecret(randomBytes(keySecretRandomBytes));
}

export function storedForm(secret: Secret, pepper: KeyObject): StoredSecret {
  return { secretPrefix: shownPartOfKeySecret(secret), secretDigest: digestOfKeySecret(secret.reveal(), pepper) };
}
