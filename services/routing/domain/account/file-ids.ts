/**
 * Owns the ids by which callers know files, and batches of them, that lie in the account at a vendor. An id says where it is and is signed
 * for one organization, so that whose it is needs to be kept nowhere: docs/decisions/file-ids-are-signed.md.
 */
import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";

/** Where a file lies. */
export interface FilePlace {
  readonly provider: string;
  /** The vendor's id of it. */
  readonly vendorId: string;
  /** Whether the account is the organization's own, and not the one that organizations share. */
  readonly ownAccount: boolean;
}

/** What lies there. */
export type FileKind = "file" | "batch";

/** An id is the vendor's, the provider's name and the signature. */
const form = /^([\w-]{1,128})\.([\w-]{1,63})\.([\w-]{22})$/;

/** The ids of one organization's files. */
export class FileIds {
  readonly #organizationId: string;
  readonly #pepper: KeyObject;

  constructor(organizationId: string, pepper: KeyObject) {
    this.#organizationId = organizationId;
    this.#pepper = pepper;
  }

  /** What stands before the names of the organization's files at a vendor, by which a list tells them from others'. */
  get mark(): string {
    return `weir-${this.#sign("files").toString("base64url")}-`;
  }

  write(place: FilePlace, kind: FileKind = "file"): string {
    return `${place.vendorId}.${place.provider}.${this.#signPlace(place, kind).toString("base64url")}`;
  }

  /** Undefined when it is no id that was made for this organization. */
  read(id: string, kind: FileKind = "file"): FilePlace | undefined {
    const [, vendorId = "", provider = "", signature = ""] = form.exec(id) ?? [];
    const presented = Buffer.from(signature, "base64url");
    for (const ownAccount of [false, true]) {
      const place = { provider, vendorId, ownAccount };
      const expected = this.#signPlace(place, kind);
      if (presented.length === expected.length && timingSafeEqual(presented, expected)) return place;
    }
    return undefined;
  }

  #signPlace({ provider, vendorId, ownAccount }: FilePlace, kind: FileKind): Buffer {
    return ownAccount ? this.#sign(kind, provider, vendorId, "own account") : this.#sign(kind, provider, vendorId);
  }

  #sign(...words: readonly string[]): Buffer {
    return createHmac("sha256", this.#pepper).update(["weir 1", this.#organizationId, ...words].join("\0")).digest().subarray(0, 16);
  }
}
