/** Owns which of a provider's credentials a request carries: by weight, and none that the vendor has just refused or limited while there is another. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { CredentialSource } from "./credential-source.ts";

/** A secret that was stored; the same object as long as it is the same secret. */
export interface StoredSecret {
  readonly credentialId: string;
  readonly secret: Secret;
  readonly weight: number;
  /** The secret before, which serves where the present one is refused, until then; undefined for the present one. */
  readonly formerUntilMs: number | undefined;
  /** When the vendor refused it, in milliseconds since 1970; undefined when it did not, or has taken it since. */
  readonly refusedAtMs: number | undefined;
}

/** The secrets that were stored, and where it is told how vendors took them. */
export interface StoredSecrets {
  /**
   * Those that an organization has for a provider, or (empty) the installation; the same list until something of them changes. Undefined
   * where none is stored, an empty list where none is in use.
   */
  of(provider: string, organizationId: string): readonly StoredSecret[] | undefined;
  refused(stored: StoredSecret): void;
  accepted(stored: StoredSecret): void;
}

export interface CredentialPoolOptions {
  readonly provider: string;
  /** Whose they are; empty for the installation's. */
  readonly organizationId: string;
  /** The one of weir.yaml. */
  readonly configured: Secret | undefined;
  readonly stored: StoredSecrets;
  readonly clock: Clock;
}

/** How long a credential that was refused is left alone. */
const refusedForMs = 300_000;
/** How long one whose rate is limited is left alone where the vendor does not say. */
const limitedForMs = 10_000;
const longestLimitMs = 600_000;
const configuredWeight = 1;
const none: readonly StoredSecret[] = [];

interface Member {
  readonly secret: Secret;
  readonly weight: number;
  /** Undefined for the one of weir.yaml. */
  stored: StoredSecret | undefined;
  /** Until when it is left alone, on the monotonic clock; 0 where it is not. */
  outUntilMs: number;
  /** When the vendor last did not take it, on the monotonic clock. */
  failedAtMs: number;
  /** What it has saved up for its next turn. */
  credit: number;
}

export class CredentialPool implements CredentialSource {
  readonly #options: CredentialPoolOptions;
  #list: readonly StoredSecret[] | undefined;
  #members: readonly Member[] = [];
  /** For attempts that were prepared just before the last member went. */
  #departed: Secret | undefined;

  constructor(options: CredentialPoolOptions) {
    this.#options = options;
  }

  get organizationId(): string {
    return this.#options.organizationId;
  }

  prepare(): Promise<void> | undefined {
    if (this.#present().length > 0) return undefined;
    return Promise.reject(this.#noneInUse());
  }

  choose(): Secret | undefined {
    const members = this.#present();
    const now = this.#now();
    const best = next(members, now, false) ?? next(members, now, true) ?? leastRecentlyOut(members);
    return best?.secret ?? this.#departed;
  }

  problem(): string | undefined {
    return this.#present().length > 0 ? undefined : "none is stored, or all are turned off or cannot be read";
  }

  refused(secret: Secret): void {
    const member = this.#memberOf(secret);
    if (member === undefined) return;
    const { monotonicMs, timeMs } = this.#now();
    member.failedAtMs = monotonicMs;
    member.outUntilMs = monotonicMs + refusedForMs;
    const { stored } = member;
    const isNews = stored !== undefined && refusalRestMs(stored, timeMs) <= 0;
    if (isNews) this.#options.stored.refused(stored);
  }

  limited(secret: Secret, retryAfterMs: number | undefined): void {
    const member = this.#memberOf(secret);
    if (member === undefined) return;
    member.failedAtMs = this.#now().monotonicMs;
    member.outUntilMs = member.failedAtMs + Math.min(retryAfterMs ?? limitedForMs, longestLimitMs);
  }

  accepted(secret: Secret, sentAtMs: number): void {
    const member = this.#memberOf(secret);
    // A reply that was on its way when the vendor began to refuse or limit says nothing of what it takes now.
    if (member === undefined || member.outUntilMs === 0 || sentAtMs < member.failedAtMs) return;
    member.outUntilMs = 0;
    if (member.stored !== undefined) this.#options.stored.accepted(member.stored);
  }

  hasOther(secret: Secret): boolean {
    const members = this.#present();
    const now = this.#now();
    const fresh = members.filter((member) => isFresh(member, now));
    // Former ones are shown only where there is no other.
    const present = fresh.filter(({ stored }) => stored?.formerUntilMs === undefined);
    return (present.length > 0 ? present : fresh).some((member) => member.secret !== secret);
  }

  #now(): Now {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), timeMs: clock.now() };
  }

  #noneInUse(): GatewayError {
    const { provider, organizationId } = this.#options;
    if (organizationId !== "") {
      const message = `Your organization has brought credentials for the provider ${provider}, and none of them is in use: all are turned off, or cannot be read. Its owner or an admin turns one on with \`weir credentials update\`, or removes them.`;
      return new GatewayError("ORGANIZATION_CREDENTIAL_MISSING", message, { metadata: { provider } });
    }
    const message = `The provider ${provider} has no credential: none is stored, or all are turned off. Its operator adds one with \`weir credentials add ${provider}\`.`;
    return new GatewayError("DEPENDENCY_UNAVAILABLE", message, { metadata: { provider, dependency: "credential" } });
  }

  #memberOf(secret: Secret): Member | undefined {
    return this.#present().find((member) => member.secret === secret);
  }

  /** The members as they are stored now; what is known of one stays with it. */
  #present(): readonly Member[] {
    const { provider, organizationId, stored } = this.#options;
    const list = stored.of(provider, organizationId) ?? none;
    if (list === this.#list) return this.#members;
    const before = new Map(this.#members.map((member) => [member.secret, member]));
    const { configured } = this.#options;
    const own = configured === undefined ? [] : [before.get(configured) ?? { secret: configured, weight: configuredWeight, stored: undefined, outUntilMs: 0, failedAtMs: 0, credit: 0 }];
    this.#departed = this.#members[0]?.secret ?? this.#departed;
    this.#members = [...own, ...list.map((stored) => memberOf(stored, before.get(stored.secret), this.#now()))];
    this.#list = list;
    return this.#members;
  }
}

/** How long a credential is left alone is counted on a clock that nobody sets; what others noted of it bears the time of day. */
interface Now {
  readonly monotonicMs: number;
  readonly timeMs: number;
}

function memberOf(stored: StoredSecret, before: Member | undefined, { monotonicMs, timeMs }: Now): Member {
  const { secret, weight, refusedAtMs } = stored;
  const { outUntilMs, failedAtMs, credit } = before ?? { outUntilMs: 0, failedAtMs: 0, credit: 0 };
  const member = { secret, weight, stored, outUntilMs, failedAtMs, credit };
  const wasRefused = before?.stored?.refusedAtMs !== undefined;
  // Another process may have found out, or an operator may have seen to it.
  if (refusedAtMs === undefined) return wasRefused ? { ...member, outUntilMs: 0 } : member;
  const refusedUntilMs = monotonicMs + Math.min(refusalRestMs(stored, timeMs), refusedForMs);
  return { ...member, outUntilMs: Math.max(outUntilMs, refusedUntilMs), failedAtMs: Math.max(failedAtMs, refusedUntilMs - refusedForMs) };
}

/** For how long it is still left alone after it was refused; nothing or less where it is not. */
function refusalRestMs({ refusedAtMs = -Infinity }: StoredSecret, timeMs: number): number {
  return refusedAtMs + refusedForMs - timeMs;
}

/** Smooth weighted round robin, as nginx does it: https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1 */
function next(members: readonly Member[], now: Now, former: boolean): Member | undefined {
  let best: Member | undefined;
  let total = 0;
  for (const member of members) {
    if ((member.stored?.formerUntilMs !== undefined) !== former || !isFresh(member, now)) continue;
    member.credit += member.weight;
    total += member.weight;
    if (best === undefined || member.credit > best.credit) best = member;
  }
  if (best !== undefined) best.credit -= total;
  return best;
}

function isFresh({ stored, outUntilMs }: Member, { monotonicMs, timeMs }: Now): boolean {
  return outUntilMs <= monotonicMs && (stored?.formerUntilMs ?? Infinity) > timeMs;
}

function leastRecentlyOut(members: readonly Member[]): Member | undefined {
  return members.filter(({ stored }) => stored?.formerUntilMs === undefined).reduce<Member | undefined>((best, member) => (best === undefined || member.outUntilMs < best.outUntilMs ? member : best), undefined);
}
