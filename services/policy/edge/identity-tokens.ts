/** Owns tokens of issuers (JWT): whether one is what it says, and what it says of its caller. */
import { decodeJwt, errors, jwtVerify, type JWTPayload } from "jose";
import type { Clock } from "#platform/clock.ts";
import type { Exchange } from "#platform/egress/egress-exchange.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { ConsoleClient } from "../console-config.ts";
import type { IssuerSettings, IdentityConfig } from "../identity-config.ts";
import { placeOf } from "../domain/caller-rules.ts";
import type { VouchedIdentity } from "../domain/vouched-identity.ts";
import { IssuerKeys } from "./issuer-keys.ts";

export interface IdentityTokensOptions {
  readonly config: LiveValue<IdentityConfig>;
  readonly exchange: Exchange;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** OpenID Connect Core 1.0, section 2: a subject has at most 255 ASCII characters. */
const subjectForm = /^[\x20-\x7e]{1,255}$/;
/** Later ends have no form as a timestamp, and come of issuers whose tokens are to have none. */
const latestEndMs = Date.UTC(9999, 0);

export class IdentityTokens {
  readonly #options: IdentityTokensOptions;
  /** By issuer and address of the keys, which stay when other settings change. */
  readonly #keys = new Map<string, IssuerKeys>();

  constructor(options: IdentityTokensOptions) {
    this.#options = options;
    options.config.subscribe(({ issuers }) => {
      const present = new Set([...issuers.values()].map(keysId));
      for (const id of this.#keys.keys()) if (!present.has(id)) this.#keys.delete(id);
    });
  }

  /** Throws TOKEN_INVALID, TOKEN_EXPIRED, CALLER_NOT_ALLOWED, or DEPENDENCY_UNAVAILABLE while the issuer's keys cannot be had. */
  async verify(token: string): Promise<VouchedIdentity> {
    const settings = this.#settingsOf(claimedIssuer(token));
    return this.identityOf(await this.#readSigned(token, settings, settings.audiences));
  }

  /** What the issuer says in a token that is for this client of it alone, whatever `audiences` are. Throws as `verify` does. */
  readFor({ issuer, clientId }: Pick<ConsoleClient, "issuer" | "clientId">, token: string): Promise<JWTPayload> {
    return this.#readSigned(token, this.#settingsOf(issuer), [clientId]);
  }

  /** Who that is by the rules as they are now. Throws TOKEN_INVALID or CALLER_NOT_ALLOWED. */
  identityOf(claims: JWTPayload): VouchedIdentity {
    const { issuer, callers, clockToleranceMs } = this.#settingsOf(claims.iss);
    const { sub, exp = 0 } = claims;
    if (typeof sub !== "string" || !subjectForm.test(sub)) throw new GatewayError("TOKEN_INVALID", "The token's subject (`sub`) has not 1 to 255 ASCII characters.", { metadata: { issuer } });
    const place = placeOf(claims, callers);
    if (place === undefined) throw new GatewayError("CALLER_NOT_ALLOWED", `No rule under identity.issuers gives this caller of ${issuer} a place. Ask your operator for one.`, { metadata: { issuer } });
    return { issuer, subject: sub, place, endMs: Math.min(exp * 1000 + clockToleranceMs, latestEndMs) };
  }

  #settingsOf(issuer = ""): IssuerSettings {
    const settings = this.#options.config.current.issuers.get(issuer);
    if (settings !== undefined) return settings;
    throw new GatewayError("TOKEN_INVALID", "The token is of no issuer that this installation knows (`identity.issuers`). Get one from an issuer it knows, or use a key.");
  }

  async #readSigned(token: string, settings: IssuerSettings, audiences: readonly string[]): Promise<JWTPayload> {
    const { issuer, algorithms, clockToleranceMs } = settings;
    const keys = this.#keysOf(settings);
    try {
      const { payload } = await jwtVerify(token, (header, jws) => keys.find(header, jws), {
        issuer,
        audience: [...audiences],
        algorithms: [...algorithms],
        clockTolerance: clockToleranceMs / 1000,
        currentDate: new Date(this.#options.clock.now()),
        requiredClaims: ["sub", "exp"],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) {
        const expireTime = new Date((error.payload.exp ?? 0) * 1000).toISOString();
        throw new GatewayError("TOKEN_EXPIRED", `The token ended at ${expireTime}. Get a new one from ${issuer}.`, { metadata: { expire_time: expireTime, issuer } });
      }
      // The latter is of a key that is too weak for its algorithm, or is none for it.
      if (error instanceof errors.JOSEError || error instanceof TypeError) throw new GatewayError("TOKEN_INVALID", `The token is not as ${issuer} would issue it for Weir: ${error.message}. Get a new one there.`, { metadata: { issuer } });
      throw error;
    }
  }

  #keysOf(settings: IssuerSettings): IssuerKeys {
    const id = keysId(settings);
    let keys = this.#keys.get(id);
    if (keys === undefined) {
      const { exchange, logger } = this.#options;
      keys = new IssuerKeys({ settings, exchange, logger });
      this.#keys.set(id, keys);
    }
    return keys;
  }
}

function keysId({ issuer, jwksUri }: IssuerSettings): string {
  return `${issuer} ${jwksUri}`;
}

/** What the token says before anything of it is believed. */
function claimedIssuer(token: string): string | undefined {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
}
