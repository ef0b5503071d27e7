/** Owns sessions at the console: opened for the holder of a key or a person of the issuer, found by what a cookie carries, and ended. */
import { randomBytes } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { JWTPayload } from "jose";
import { VouchedCallerSchema, type Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { CreateSessionResponseSchema, SessionSchema, type CreateSessionResponse, type Session } from "#gen/weir/policy/v1/session_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { digestOfSessionSecret, formatSessionSecret, sessionSecretRandomBytes } from "#platform/secrets/session-secret.ts";
import type { PolicyDependencies } from "./dependencies.ts";
import type { CallerRule } from "./domain/caller-rules.ts";
import { keepsAllOf, keptClaims } from "./domain/kept-claims.ts";
import { longestSessionMs } from "./domain/session-terms.ts";
import type { IdentityTokens } from "./edge/identity-tokens.ts";
import { findKeyAndGrantByDigest } from "./store/keys.ts";
import { deleteSessionById, insertSession, useSession, type SessionOpener, type StoredSession } from "./store/sessions.ts";
import { grantVouched, type VouchedGrant } from "./vouched-grant.ts";

export interface FoundSession extends VouchedGrant {
  readonly session: Session;
}

/** For whom a session stands, as that is now. */
interface Holder extends VouchedGrant {
  readonly name: string;
  readonly role: Role;
}

export class Sessions {
  readonly #dependencies: PolicyDependencies;
  readonly #tokens: Pick<IdentityTokens, "identityOf">;

  constructor(dependencies: PolicyDependencies, tokens: Pick<IdentityTokens, "identityOf">) {
    this.#dependencies = dependencies;
    this.#tokens = tokens;
  }

  /** Throws KEY_INVALID, CALLER_NOT_ALLOWED, or PERMISSION_DENIED for a key that is not for the console. */
  async open(presented: SessionOpener): Promise<CreateSessionResponse> {
    const { database, pepper, clock } = this.#dependencies;
    const createMs = clock.now();
    const expireMs = createMs + longestSessionMs;
    const opener = "claims" in presented ? { claims: keptClaims(presented.claims, this.#rulesOf(presented.claims)) } : presented;
    const holder = await this.#holderOf(opener, expireMs);
    if (holder === undefined) throw new GatewayError("KEY_INVALID", "This key is not known, or its secret was replaced. Check that it was copied whole, or have a new one created.");
    const secret = formatSessionSecret(randomBytes(sessionSecretRandomBytes)).reveal();
    const stored = { id: newId("ses", clock), opener, createTime: new Date(createMs), expireTime: new Date(expireMs) };
    await database.transaction((transaction) => insertSession(transaction, { ...stored, secretDigest: digestOfSessionSecret(secret, pepper), keyId: holder.grant.keyId }));
    return create(CreateSessionResponseSchema, { session: sessionOf(stored, holder), secret });
  }

  /** Throws SESSION_INVALID when it is over, and what `open` throws when it could not be opened any more, which ends it. */
  async find(secretDigest: Uint8Array): Promise<FoundSession> {
    const { database, clock } = this.#dependencies;
    const stored = await useSession(database, secretDigest, new Date(clock.now()));
    if (stored === undefined) throw sessionOver();
    try {
      const holder = await this.#holderOf(stored.opener, stored.expireTime.getTime());
      if (holder === undefined) throw sessionOver();
      return { session: sessionOf(stored, holder), grant: holder.grant, caller: holder.caller };
    } catch (thrown) {
      // Whoever gets the role back signs in again, and who signs out meanwhile stays out.
      if (toGatewayError(thrown).httpStatus < 500) await this.end(stored.id);
      throw thrown;
    }
  }

  async end(id: string): Promise<void> {
    await deleteSessionById(this.#dependencies.database, id);
  }

  /** Undefined when the secret that opened it is none of its key any more, its issuer signs nobody in any more, or the rules look at what was not kept. */
  async #holderOf(opener: SessionOpener, endMs: number): Promise<Holder | undefined> {
    const holder = "claims" in opener ? await this.#personOf(opener.claims, endMs) : await this.#keyHolderOf(opener.keySecretDigest, endMs);
    if (holder === undefined || holder.caller.permissions.includes(Permission.CONSOLE_USE)) return holder;
    throw new GatewayError("PERMISSION_DENIED", "This key may not use the console: its role is for applications, which call models. Sign in with the key of an operator, or ask yours for another role.", { metadata: { permission: "CONSOLE_USE" } });
  }

  async #personOf(claims: JWTPayload, endMs: number): Promise<Holder | undefined> {
    if (claims.iss !== this.#dependencies.config.current.console?.issuer || !keepsAllOf(claims, this.#rulesOf(claims))) return undefined;
    const identity = this.#tokens.identityOf(claims);
    const vouched = await grantVouched({ ...identity, endMs }, this.#dependencies);
    return { ...vouched, name: nameOf(claims, identity.subject), role: identity.place.role };
  }

  #rulesOf({ iss = "" }: JWTPayload): readonly CallerRule[] {
    return this.#dependencies.config.current.issuers.get(iss)?.callers ?? [];
  }

  async #keyHolderOf(secretDigest: Uint8Array, sessionEndMs: number): Promise<Holder | undefined> {
    const { database, clock } = this.#dependencies;
    const found = await findKeyAndGrantByDigest(database, secretDigest);
    if (found === undefined) return undefined;
    const { key, grant } = found;
    const endMs = Math.min(sessionEndMs, endOfSecret(secretDigest, grant));
    if (endMs <= clock.now()) return undefined;
    const { permissions, reach } = grant;
    return { grant, caller: create(VouchedCallerSchema, { expireTime: timestampFromMs(endMs), permissions, reach }), name: key.name, role: key.role };
  }
}

function sessionOver(): GatewayError {
  return new GatewayError("SESSION_INVALID", "The session is over, or there never was one. Sign in again.");
}

function sessionOf({ id, createTime }: StoredSession, { grant, caller, name, role }: Holder): Session {
  const { keyId, organizationId } = grant;
  return create(SessionSchema, { id, keyId, organizationId, name, role, createTime: timestampFromDate(createTime), ...(caller.expireTime && { expireTime: caller.expireTime }) });
}

/** When the secret ends that is the key's present one, or the one before it. */
function endOfSecret(digest: Uint8Array, { secretDigest, previousSecretExpireTime }: Grant): number {
  return Buffer.from(secretDigest).equals(digest) || previousSecretExpireTime === undefined ? Infinity : timestampMs(previousSecretExpireTime);
}

const longestName = 200;

/** By what people know a person, of what the issuer tells. */
function nameOf({ email, name }: JWTPayload, subject: string): string {
  const known = [email, name, subject].find((text) => typeof text === "string" && text !== "") as string;
  return known.slice(0, longestName).toWellFormed();
}
