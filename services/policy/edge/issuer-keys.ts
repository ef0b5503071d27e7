/** Owns the keys by which one issuer signs: found by OpenID discovery, fetched through egress, kept, and fetched again before they are old. */
import { createRemoteJWKSet, customFetch, errors, type CryptoKey, type FetchImplementation, type JWSHeaderParameters } from "jose";
import type { Exchange } from "#platform/egress/egress-exchange.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import type { IssuerSettings } from "../identity-config.ts";

/** From when on they are fetched again, beside the calls that use them. */
const freshForMs = 10 * 60_000;
/** How long they serve while the issuer cannot be reached. */
const staleForMs = 24 * 3_600_000;
/** How soon after a fetch an unknown key is reason for another one: whoever makes up keys must not make Weir call the issuer. */
const cooldownMs = 30_000;
const pauseAfterFailureMs = 5_000;
const timeoutMs = 5_000;

export interface IssuerKeysOptions {
  readonly settings: Pick<IssuerSettings, "issuer" | "jwksUri">;
  readonly exchange: Exchange;
  readonly logger: Logger;
}

export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;
  #fetchAtMs = -Infinity;
  #failure: GatewayError | undefined;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
    const fetchKeys: FetchImplementation = (_url, { signal }) => this.#fetch(signal);
    // The address is only for show: discovery, which may have to come first, tells the real one.
    this.#keys = createRemoteJWKSet(new URL(options.settings.jwksUri || options.settings.issuer), {
      [customFetch]: fetchKeys,
      cacheMaxAge: staleForMs,
      cooldownDuration: cooldownMs,
      timeoutDuration: timeoutMs,
    });
  }

  /** The key that the header names. Throws jose's error when there is no such key, DEPENDENCY_UNAVAILABLE while that cannot be known. */
  async find(header: JWSHeaderParameters, token: Parameters<ReturnType<typeof createRemoteJWKSet>>[1]): Promise<CryptoKey> {
    if (performance.now() >= this.#fetchAtMs && this.#keys.fresh) this.#keys.reload().catch(() => undefined);
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (isOfToken(error)) throw error;
      throw this.#unavailable(error);
    }
  }

  async #fetch(signal: AbortSignal): Promise<Response> {
    if (this.#failure !== undefined && performance.now() < this.#fetchAtMs) throw this.#failure;
    try {
      const reply = await this.#get(this.#options.settings.jwksUri || (await this.#discover(signal)), signal);
      checkKeySet(reply);
      this.#failure = undefined;
      this.#fetchAtMs = performance.now() + freshForMs;
      return new Response(reply);
    } catch (error) {
      this.#failure = this.#unavailable(error);
      this.#fetchAtMs = performance.now() + pauseAfterFailureMs;
      this.#options.logger.warn({ issuer: this.#options.settings.issuer, error }, "the keys of an issuer of tokens could not be fetched; those that are known serve on");
      throw this.#failure;
    }
  }

  /** OpenID Connect Discovery 1.0, sections 4 and 4.3: the document must be of the issuer it was asked of. */
  async #discover(signal: AbortSignal): Promise<string> {
    const { issuer } = this.#options.settings;
    const document = JSON.parse((await this.#get(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, signal)).toString()) as Readonly<Record<string, unknown>> | null;
    if (document?.["issuer"] !== issuer) throw new Error(`the discovery document is of another issuer than ${issuer}`);
    const jwksUri = document["jwks_uri"];
    // An issuer of https does not lead to keys that anybody on the way could change.
    if (typeof jwksUri !== "string" || new URL(jwksUri).protocol !== new URL(issuer).protocol) throw new Error("the discovery document names no jwks_uri that can be used");
    return jwksUri;
  }

  async #get(url: string, signal: AbortSignal): Promise<Buffer<ArrayBuffer>> {
    const { status, body } = await this.#options.exchange({ method: "GET", url, headers: { accept: "application/json" } }, signal);
    if (status !== 200) throw new Error(`${url} answered with status ${status}`);
    return Buffer.from(body);
  }

  #unavailable(cause: unknown): GatewayError {
    if (cause instanceof GatewayError) return cause;
    const { issuer } = this.#options.settings;
    return new GatewayError("DEPENDENCY_UNAVAILABLE", `The token cannot be checked: the keys of its issuer ${issuer} cannot be had. Try again soon; Weir's log has the cause.`, {
      metadata: { dependency: "issuer", issuer },
      retryAfterMs: pauseAfterFailureMs,
      cause,
    });
  }
}

/** RFC 7517, section 5. Whatever else the issuer answers with, such as a page about its maintenance, is a failure like any other. */
function checkKeySet(reply: Buffer): void {
  const { keys } = (JSON.parse(reply.toString()) ?? {}) as { readonly keys?: unknown };
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === "object" && key !== null)) throw new Error("what it answered with is no set of keys (JWKS)");
}

/** Whether the keys are known, and the token is at fault. */
function isOfToken(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys || error instanceof errors.JOSENotSupported;
}
