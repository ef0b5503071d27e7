/** Owns what wraps the data keys of stored secrets: a key of the installation, or a service that keeps one and never gives it away. */
import type { Secret } from "#platform/secrets/secret.ts";

/** Each rejects with DEPENDENCY_UNAVAILABLE while the service cannot be asked. */
export interface KeyWrapping {
  /** From 1 to 255, of each kind its own: it stands before what is wrapped, so that whoever reads it knows who unwraps it. */
  readonly form: number;
  /** Under this context; who unwraps must name the same. */
  wrap(dataKey: Buffer, context: string): Promise<Buffer>;
  /** Rejects when it was not wrapped under this key and context. */
  unwrap(wrapped: Buffer, context: string): Promise<Buffer>;
  /** Which version of the key has wrapped it; always the same where it has none. */
  versionOf(wrapped: Buffer): string;
  /** By which the same secret is known again, and nothing else of it. */
  fingerprint(secret: Secret): Promise<string>;
}

/** The first wraps; each unwraps what it has wrapped. */
export type KeyWrappings = readonly [KeyWrapping, ...KeyWrapping[]];
