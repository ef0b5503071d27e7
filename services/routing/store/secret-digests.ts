/** Owns the digests under which this process knows the secrets of keys, and the pepper that it makes them with. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { digestOfKeySecret } from "#platform/secrets/key-secret.ts";

export class SecretDigests {
  /** Comes with the first snapshot of grants. */
  #pepper = createSecretKey(Buffer.alloc(0));
  /** The last secret that came over a connection, and its digest: most connections carry one for all their calls. */
  #lastDigests = new WeakMap<object, { readonly secret: string; readonly digest: string }>();

  get pepper(): KeyObject {
    return this.#pepper;
  }

  /** No digest that was made before is good any more. */
  begin(pepper: KeyObject): void {
    this.#pepper = pepper;
    this.#lastDigests = new WeakMap();
  }

  /** The only form in which a secret goes to policy. */
  bytesOf(secret: string): Uint8Array {
    return digestOfKeySecret(secret, this.#pepper);
  }

  /** As a key of a map. */
  of(secret: string, connection?: object): string {
    const last = connection && this.#lastDigests.get(connection);
    if (last !== undefined && isSame(last.secret, secret)) return last.digest;
    const digest = textOf(digestOfKeySecret(secret, this.#pepper));
    if (connection !== undefined) this.#lastDigests.set(connection, { secret, digest });
    return digest;
  }
}

/** Takes as long wherever they differ: behind a proxy, the secret that came before may be somebody else's. */
function isSame(one: string, other: string): boolean {
  if (one.length !== other.length) return false;
  let difference = 0;
  for (let index = 0; index < one.length; index++) difference |= one.charCodeAt(index) ^ other.charCodeAt(index);
  return difference === 0;
}

/** The same bytes as a key of a map. */
export function textOf(digest: Uint8Array): string {
  return Buffer.from(digest).toString("latin1");
}
