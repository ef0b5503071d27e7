/** Owns how a secret is stored: encrypted under the data key of whom it is of, and bound to that owner and its row, so that it is good in no other. */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { seal, unseal } from "#platform/secrets/seal.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { KeyWrapping, KeyWrappings } from "../domain/credentials/key-wrapping.ts";

const keyBytes = 32;
/** Of the stored form. */
const version = 3;
/** Of the form before: a secret of the installation's with a data key of its own. */
const formerVersion = 2;

/** Where a secret belongs. */
export interface SecretPlace {
  readonly credentialId: string;
  /** Empty when it is the installation's. */
  readonly organizationId: string;
}

/** The bytes for the database: a version, and the secret under the data key. */
export function sealSecret(secret: Secret, { organizationId, credentialId }: SecretPlace, dataKey: KeyObject): Buffer {
  return Buffer.concat([Buffer.from([version]), seal(Buffer.from(secret.reveal()), dataKey, [organizationId, credentialId])]);
}

/** Rejects when the bytes were changed, belong elsewhere, or were sealed or wrapped under another key. Without a data key, those of the former form alone are read. */
export async function openSecret(sealed: Buffer, { organizationId, credentialId }: SecretPlace, dataKey: KeyObject | undefined, keys: KeyWrappings): Promise<Secret> {
  if (sealed[0] === version && dataKey !== undefined) return new Secret(opened(sealed.subarray(1), dataKey, organizationId, credentialId).toString("utf8"));
  if (sealed[0] === formerVersion && organizationId === "") return openFormerSecret(sealed, credentialId, keys);
  throw new Error("the secret was stored by another version of Weir, or its data key is gone");
}

/** Behind the version stand the length of the data key wrapped under the installation's, that key, and the secret under it. */
async function openFormerSecret(sealed: Buffer, credentialId: string, keys: KeyWrappings): Promise<Secret> {
  const installationKey = keys.find((key) => key instanceof LocalKey);
  if (installationKey === undefined) throw new Error("the secret was stored under the installation's key, which this process does not have");
  const end = 3 + sealed.readUInt16BE(1);
  const dataKey = await installationKey.unwrap(sealed.subarray(3, end), credentialId);
  return new Secret(opened(sealed.subarray(end), createSecretKey(dataKey), credentialId).toString("utf8"));
}

/** A key of the installation, from a file or the environment. */
export class LocalKey implements KeyWrapping {
  readonly form = 1;
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

  versionOf(): string {
    return "";
  }

  fingerprint(secret: Secret): Promise<string> {
    return Promise.resolve(createHmac("sha256", this.#digesting).update(secret.reveal()).digest("hex").slice(0, 16));
  }
}

function opened(sealed: Buffer, key: KeyObject, ...place: readonly string[]): Buffer {
  const plain = unseal(sealed, key, place);
  if (plain === undefined) throw new Error("the secret was changed, belongs elsewhere, or was stored under another key");
  return plain;
}
