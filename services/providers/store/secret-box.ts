/** Owns how a secret is stored: encrypted under a data key of its own, which is wrapped beside it; bound to its row, so that it is good in no other. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { Secret } from "#platform/secret.ts";
import type { KeyWrapping } from "../domain/key-wrapping.ts";

const algorithm = "aes-256-gcm";
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const version = 1;

/** The bytes for the database: a version, the length of the wrapped key, the wrapped key, and the secret under it. */
export async function sealSecret(secret: Secret, row: string, keys: KeyWrapping): Promise<Buffer> {
  const dataKey = randomBytes(keyBytes);
  const wrapped = await keys.wrap(dataKey, row);
  const head = Buffer.from([version, wrapped.length >> 8, wrapped.length & 0xff]);
  return Buffer.concat([head, wrapped, encrypt(Buffer.from(secret.reveal()), dataKey, row)]);
}

/** Rejects when the bytes were changed, are of another row, or were wrapped under another key. */
export async function openSecret(sealed: Buffer, row: string, keys: KeyWrapping): Promise<Secret> {
  if (sealed[0] !== version) throw new Error("the secret was stored by another version of Weir");
  const end = 3 + sealed.readUInt16BE(1);
  const dataKey = await keys.unwrap(sealed.subarray(3, end), row);
  return new Secret(decrypt(sealed.subarray(end), dataKey, row).toString("utf8"));
}

/** A key of the installation, from a file or the environment. */
export class LocalKey implements KeyWrapping {
  readonly #wrapping: Buffer;
  readonly #digesting: Buffer;

  /** 32 random bytes or more. */
  constructor(key: Secret) {
    const derive = (purpose: string): Buffer => Buffer.from(hkdfSync("sha256", key.reveal(), "", `weir ${purpose} 1`, keyBytes));
    this.#wrapping = derive("credential wrapping");
    this.#digesting = derive("credential fingerprint");
  }

  wrap(dataKey: Buffer, context: string): Promise<Buffer> {
    return Promise.resolve(encrypt(dataKey, this.#wrapping, context));
  }

  unwrap(wrapped: Buffer, context: string): Promise<Buffer> {
    return Promise.resolve().then(() => decrypt(wrapped, this.#wrapping, context));
  }

  /** By which the same secret is known again, and nothing else of it. */
  fingerprint(secret: Secret): string {
    return createHmac("sha256", this.#digesting).update(secret.reveal()).digest("hex").slice(0, 16);
  }
}

function encrypt(plain: Buffer, key: Buffer, context: string): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(sealed: Buffer, key: Buffer, context: string): Buffer {
  const end = sealed.length - tagBytes;
  const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes }).setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(end));
  return Buffer.concat([decipher.update(sealed.subarray(nonceBytes, end)), decipher.final()]);
}
