/** Owns how a secret is stored: encrypted under a data key of its own, which is wrapped beside it; bound to its row, so that it is good in no other. */
import { createHmac, createSecretKey, hkdfSync, randomBytes, type KeyObject } from "node:crypto";
import { seal, unseal } from "#platform/seal.ts";
import { Secret } from "#platform/secret.ts";
import type { KeyWrapping } from "../domain/key-wrapping.ts";

const keyBytes = 32;
/** Of the stored form. */
const version = 2;

/** The bytes for the database: a version, the length of the wrapped key, the wrapped key, and the secret under it. */
export async function sealSecret(secret: Secret, row: string, keys: KeyWrapping): Promise<Buffer> {
  const dataKey = randomBytes(keyBytes);
  const wrapped = await keys.wrap(dataKey, row);
  const head = Buffer.from([version, wrapped.length >> 8, wrapped.length & 0xff]);
  return Buffer.concat([head, wrapped, seal(Buffer.from(secret.reveal()), createSecretKey(dataKey), [row])]);
}

/** Rejects when the bytes were changed, are of another row, or were wrapped under another key. */
export async function openSecret(sealed: Buffer, row: string, keys: KeyWrapping): Promise<Secret> {
  if (sealed[0] !== version) throw new Error("the secret was stored by another version of Weir");
  const end = 3 + sealed.readUInt16BE(1);
  const dataKey = await keys.unwrap(sealed.subarray(3, end), row);
  return new Secret(opened(sealed.subarray(end), createSecretKey(dataKey), row).toString("utf8"));
}

/** A key of the installation, from a file or the environment. */
export class LocalKey implements KeyWrapping {
  readonly #wrapping: KeyObject;
  readonly #digesting: Buffer;

  /** 32 random bytes or more. */
  constructor(key: Secret) {
    const derive = (purpose: string): Buffer => Buffer.from(hkdfSync("sha256", key.reveal(), "", `weir ${purpose} 1`, keyBytes));
    this.#wrapping = createSecretKey(derive("credential wrapping"));
    this.#digesting = derive("credential fingerprint");
  }

  wrap(dataKey: Buffer, context: string): Promise<Buffer> {
    return Promise.resolve(seal(dataKey, this.#wrapping, [context]));
  }

  unwrap(wrapped: Buffer, context: string): Promise<Buffer> {
    return Promise.resolve().then(() => opened(wrapped, this.#wrapping, context));
  }

  /** By which the same secret is known again, and nothing else of it. */
  fingerprint(secret: Secret): string {
    return createHmac("sha256", this.#digesting).update(secret.reveal()).digest("hex").slice(0, 16);
  }
}

function opened(sealed: Buffer, key: KeyObject, row: string): Buffer {
  const plain = unseal(sealed, key, [row]);
  if (plain === undefined) throw new Error("the secret was changed, is of another row, or was stored under another key");
  return plain;
}
