/** Owns the form of a reply that lies where others can see it: under a subject that tells nothing of the call, and sealed for that subject alone. */
import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { seal, unseal } from "#platform/secrets/seal.ts";
import type { Secret } from "#platform/secrets/secret.ts";

export interface SharedReply {
  /** In the form of reply-bytes.ts. */
  readonly bytes: Uint8Array;
  /** When it came from its vendor, in milliseconds since 1970, by the clock of the process that kept it. */
  readonly keptTimeMs: number;
}

/** Every reply is `weir.cache.<digest of its key>`. */
export const replySubjects = "weir.cache.*";

/** Of this file's form; another one is not read. */
const formVersion = 1;
const timeBytes = 8;

/** What a sealed reply has beside its bytes: the version, the time, and the nonce and tag of seal.ts. */
export const sealBytes = 1 + timeBytes + 12 + 16;

export class ReplySeal {
  readonly #secret: Secret;
  readonly #subjectKey: KeyObject;

  constructor(secret: Secret) {
    this.#secret = secret;
    this.#subjectKey = this.#derive("subjects");
  }

  /** The same for the same key under the same secret; without the secret, nobody can tell whether it is that of a key. */
  subjectOf(key: string): string {
    return `weir.cache.${createHmac("sha256", this.#subjectKey).update(key).digest("base64url")}`;
  }

  seal(subject: string, { bytes, keptTimeMs }: SharedReply): Buffer {
    const plain = Buffer.allocUnsafe(timeBytes + bytes.length);
    plain.writeDoubleBE(keptTimeMs);
    plain.set(bytes, timeBytes);
    return Buffer.concat([Buffer.of(formVersion), seal(plain, this.#keyOf(subject), placeOf(subject))]);
  }

  /** Undefined when it was sealed with another secret, for another subject, in another form, or was changed. */
  open(subject: string, sealed: Uint8Array): SharedReply | undefined {
    if (sealed[0] !== formVersion) return undefined;
    const plain = unseal(sealed.subarray(1), this.#keyOf(subject), placeOf(subject));
    return plain && { keptTimeMs: plain.readDoubleBE(), bytes: plain.subarray(timeBytes) };
  }

  /** One for each subject: nonces are random, and under a single key there could come to be too many of them. */
  #keyOf(subject: string): KeyObject {
    return this.#derive(`reply ${subject}`);
  }

  #derive(purpose: string): KeyObject {
    return createSecretKey(Buffer.from(hkdfSync("sha256", this.#secret.reveal(), "", `weir shared cache ${purpose} 1`, 32)));
  }
}

function placeOf(subject: string): readonly (string | number)[] {
  return [formVersion, subject];
}
