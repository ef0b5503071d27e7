/** Owns Weir's access to a Vault: signed in when it is first asked, with a token that is renewed ahead of its end, or obtained anew. */
import { readFile } from "node:fs/promises";
import type { Vault } from "#gen/weir/config/v1/vault_pb.ts";
import { exchangeThroughEgress, exchangeTrusting, type Exchange } from "#platform/egress/egress-exchange.ts";
import type { JsonObject } from "../../domain/translation/vendor-json.ts";
import { askVault, VaultRefusal, type VaultAccess, type VaultRequest } from "./vault-exchange.ts";
import { renew, signInAt, wasRevoked, type VaultToken } from "./vault-token.ts";

/** After which part of its life a token is renewed. */
const renewAfter = 2 / 3;
/** An older token that is refused is replaced: signing in anew may come with rights that it has not. A younger one only where Vault knows it no more. */
const youngMs = 60_000;
/** How long a token is not replaced at all. */
const pauseMs = 5_000;

export class VaultClient {
  readonly settings: Vault;
  #authorities: string | undefined;
  #exchange: Exchange = exchangeThroughEgress;
  #token: VaultToken | undefined;
  #change: Promise<VaultToken> | undefined;

  constructor(settings: Vault) {
    this.settings = settings;
  }

  /** Throws as askVault does. */
  async ask(request: VaultRequest, nowMs: number, signal: AbortSignal): Promise<JsonObject> {
    const access = await this.#access();
    const token = await this.#currentToken(access, nowMs);
    try {
      return await askVault(request, { ...access, token: token.secret }, signal);
    } catch (error) {
      if (!(error instanceof VaultRefusal) || error.status !== 403 || !(await isToBeReplaced(token, access, nowMs, signal))) throw error;
      const another = await this.#changed(() => this.#signIn(access, nowMs));
      return askVault(request, { ...access, token: another.secret }, signal);
    }
  }

  async #access(): Promise<VaultAccess> {
    const { address, namespace, authorityFile } = this.settings;
    if (authorityFile !== "") this.#trust(await readFile(authorityFile, "utf8"));
    return { address, namespace, exchange: this.#exchange };
  }

  #trust(authorities: string): void {
    if (authorities === this.#authorities) return;
    this.#authorities = authorities;
    this.#exchange = exchangeTrusting(authorities);
  }

  async #currentToken(access: VaultAccess, nowMs: number): Promise<VaultToken> {
    const present = this.#token;
    if (present === undefined) return this.#changed(() => this.#signIn(access, nowMs));
    const ageMs = nowMs - present.sinceMs;
    // Where the clock was set back, nobody knows for how long it is still good.
    if (ageMs < 0 || ageMs >= present.lifetimeMs) return this.#changed(() => this.#signIn(access, nowMs));
    if (ageMs < present.lifetimeMs * renewAfter) return present;
    // Until its end it is good, whatever becomes of this.
    return this.#changed(() => this.#renew(present, access, nowMs)).catch(() => present);
  }

  /** One call for all who wait. */
  #changed(obtain: () => Promise<VaultToken>): Promise<VaultToken> {
    this.#change ??= obtain()
      .then((token) => (this.#token = token))
      .finally(() => (this.#change = undefined));
    return this.#change;
  }

  async #renew(present: VaultToken, access: VaultAccess, nowMs: number): Promise<VaultToken> {
    const renewed = present.isRenewable ? await renew(present, access, nowMs, forAll()).catch(unlessRefused) : undefined;
    // One that gets less and less time, or none (which reads as no end), nears its longest possible life.
    const isLasting = renewed !== undefined && Number.isFinite(renewed.lifetimeMs) && renewed.lifetimeMs >= present.lifetimeMs / 2;
    return isLasting ? renewed : this.#signIn(access, nowMs);
  }

  #signIn(access: VaultAccess, nowMs: number): Promise<VaultToken> {
    // No refusal of what was asked: that has not been sent.
    return signInAt(this.settings, access, nowMs, forAll()).catch((cause: Error) => {
      throw new Error(`Weir could not sign in. ${cause.message}`, { cause });
    });
  }
}

async function isToBeReplaced(token: VaultToken, access: VaultAccess, nowMs: number, signal: AbortSignal): Promise<boolean> {
  const ageMs = nowMs - token.sinceMs;
  return ageMs >= youngMs || (ageMs >= pauseMs && (await wasRevoked(token, access, signal)));
}

/** Several wait for a token: none of them can call it off, and each request has its own time. */
function forAll(): AbortSignal {
  return new AbortController().signal;
}

function unlessRefused(error: unknown): undefined {
  if (!(error instanceof VaultRefusal)) throw error;
}
