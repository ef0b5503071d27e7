/** Owns routing's memory of the tokens and certificates of others that policy has judged, so that only the first call with one asks. */
import type { Grant, VouchedCaller } from "#gen/weir/policy/v1/grant_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { OpenGrant } from "../domain/admission/admit.ts";
import { openedBy } from "../domain/admission/vouched-grant.ts";

/** After so long policy is asked again, beside the calls: an issuer may have lost its operator's trust. */
export const recheckAfterMs = 240_000;
/** After so long it is asked before the call: one that lay idle is not to come in once more by what was true hours ago. */
export const askFirstAfterMs = 300_000;
/** How long a refusal holds: what an operator mends is in force then. */
const refusedForMs = 10_000;
/** Beyond it those that were judged first are forgotten, and asked for again. */
const mostTokens = 50_000;

interface Judged {
  readonly keyId: string;
  readonly caller: VouchedCaller;
  recheckAtMs: number;
  askFirstAtMs: number;
  /** As the grant was when it was last asked for; a changed key has another one. */
  grant?: Grant;
  open?: OpenGrant;
}

export class VouchedCallers {
  readonly #clock: Clock;
  /** By the token's digest, oldest first. */
  readonly #judged = new Map<string, Judged>();
  readonly #refused = new Map<string, { readonly error: GatewayError; readonly untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What the token opens, if it is known and so is its key; `grantOf` finds the key's grant. */
  find(digest: string, grantOf: (keyId: string) => Grant | undefined): OpenGrant | undefined {
    const judged = this.#judged.get(digest);
    const grant = judged && grantOf(judged.keyId);
    if (judged === undefined || grant === undefined) return undefined;
    if (judged.grant !== grant || judged.open === undefined) {
      judged.grant = grant;
      judged.open = openedBy(judged.caller, grant);
    }
    return judged.open;
  }

  /** Whether it is time to ask again; true to the first who asks, then not for a while. */
  takeRecheck(digest: string): boolean {
    const judged = this.#judged.get(digest);
    const nowMs = this.#clock.monotonicMs();
    if (judged === undefined || nowMs < judged.recheckAtMs) return false;
    judged.recheckAtMs = nowMs + refusedForMs;
    return true;
  }

  /** Whether what was judged is too old to go by. */
  isStale(digest: string): boolean {
    const judged = this.#judged.get(digest);
    return judged !== undefined && this.#clock.monotonicMs() >= judged.askFirstAtMs;
  }

  /** Lets what was judged hold for a while more, where policy cannot tell; false when nothing was. */
  keep(digest: string): boolean {
    const judged = this.#judged.get(digest);
    if (judged === undefined) return false;
    judged.askFirstAtMs = Math.max(judged.askFirstAtMs, this.#clock.monotonicMs() + refusedForMs);
    return true;
  }

  refusalOf(digest: string): GatewayError | undefined {
    const refusal = this.#refused.get(digest);
    return refusal === undefined || refusal.untilMs <= this.#clock.monotonicMs() ? undefined : refusal.error;
  }

  admit(digest: string, keyId: string, caller: VouchedCaller): void {
    this.#refused.delete(digest);
    const nowMs = this.#clock.monotonicMs();
    putLast(this.#judged, digest, { keyId, caller, recheckAtMs: nowMs + recheckAfterMs, askFirstAtMs: nowMs + askFirstAfterMs });
  }

  refuse(digest: string, error: GatewayError): void {
    this.#judged.delete(digest);
    putLast(this.#refused, digest, { error, untilMs: this.#clock.monotonicMs() + refusedForMs });
  }
}

function putLast<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > mostTokens) map.delete(map.keys().next().value!);
}
