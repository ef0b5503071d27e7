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

  write({ provider, vendorId }: FilePlace, kind: FileKind = "file"): string {
    return `${vendorId}.${provider}.${this.#sign(kind, provider, vendorId).toString("base64url")}`;
  }

  /** Undefined when it is no id that was made for this organization. */
  read(id: string, kind: FileKind = "file"): FilePlace | undefined {
    const [, vendorId = "", provider = "", signature = ""] = form.exec(id) ?? [];
    const presented = Buffer.from(signature, "base64url");
    const expected = this.#sign(kind, provider, vendorId);
    return presented.length === expected.length && timingSafeEqual(presented, expected) ? { provider, vendorId } : undefined;
  }

  #sign(...words: readonly string[]): Buffer {
    return createHmac("sha256", this.#pepper).update(["weir 1", this.#organizationId, ...words].join("\0")).digest().subarray(0, 16);
  }
}
