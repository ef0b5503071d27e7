/** Owns what is known of a caller for whom others vouch. */
import type { CallerPlace } from "./caller-rules.ts";

export interface VouchedIdentity {
  /** Who vouches. */
  readonly issuer: string;
  /** The caller's name there. */
  readonly subject: string;
  readonly place: CallerPlace;
  /** Until when, in milliseconds since 1970. */
  readonly endMs: number;
}
