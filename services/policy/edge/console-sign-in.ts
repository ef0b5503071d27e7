/**
 * Owns the sign-in to the console at an OpenID provider: the authorization code flow with PKCE. What the answer must fit to lies sealed in
 * the browser that began, so that no other browser can finish, and nothing is kept here for visitors who never come back.
 */
import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  AuthorizationResponseError,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  ClientError,
  ClientSecretBasic,
  ClientSecretPost,
  clockTolerance,
  customFetch,
  discovery,
  None,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  ResponseBodyError,
  type ClientAuth,
  type Configuration,
  type CustomFetch,
} from "openid-client";
import type { Clock } from "#platform/clock.ts";
import type { Exchange } from "#platform/egress/egress-exchange.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import { seal, unseal } from "#platform/secrets/seal.ts";
import type { ConsoleClient } from "../console-config.ts";

/** How long people may take at the issuer. */
export const longestSignInMs = 10 * 60_000;
/** From when on the issuer is asked again where its endpoints are. */
const freshForMs = 10 * 60_000;
const timeoutSeconds = 5;

/** What the issuer's answer must fit to. */
interface PendingSignIn {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  readonly returnPath: string;
  readonly endMs: number;
}

export interface ConsoleSignInOptions {
  readonly config: LiveValue<{ readonly console: ConsoleClient | undefined }>;
  readonly pepper: KeyObject;
  readonly exchange: Exchange;
  readonly clock: Clock;
}

export class ConsoleSignIn {
  readonly #options: ConsoleSignInOptions;
  readonly #sealingKey: KeyObject;
  #known: { readonly client: ConsoleClient; readonly configuration: Configuration; readonly untilMs: number } | undefined;

  constructor(options: ConsoleSignInOptions) {
    this.#options = options;
    this.#sealingKey = createSecretKey(Buffer.from(hkdfSync("sha256", options.pepper, "", "weir console sign-in 1", 32)));
  }

  /** Whom the issuer is to sign in for. Throws INVALID_REQUEST where people sign in by a key alone. */
  get client(): ConsoleClient {
    const client = this.#options.config.current.console;
    if (client !== undefined) return client;
    throw new GatewayError("INVALID_REQUEST", "Nobody signs people in to this console (`console.issuer` is not set). Sign in with a key.");
  }

  /** Throws DEPENDENCY_UNAVAILABLE while the issuer cannot be reached. */
  async begin(returnPath: string): Promise<{ readonly authorizationUrl: string; readonly pending: string }> {
    const { client } = this;
    const configuration = await this.#configurationOf(client);
    const pending: PendingSignIn = { state: randomState(), nonce: randomNonce(), codeVerifier: randomPKCECodeVerifier(), returnPath, endMs: this.#options.clock.now() + longestSignInMs };
    const url = buildAuthorizationUrl(configuration, {
      redirect_uri: client.redirectUri,
      scope: client.scopes.join(" "),
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await calculatePKCECodeChallenge(pending.codeVerifier),
      code_challenge_method: "S256",
    });
    return { authorizationUrl: url.href, pending: seal(Buffer.from(JSON.stringify(pending)), this.#sealingKey, placeOf(client)).toString("base64url") };
  }

  /** The token that the issuer gives for the person; its signature is for others to check. Throws SIGN_IN_FAILED or DEPENDENCY_UNAVAILABLE. */
  async finish(sealed: string, query: string): Promise<{ readonly identityToken: string; readonly returnPath: string }> {
    const { client } = this;
    const { state, nonce, codeVerifier, returnPath } = this.#open(sealed, client);
    const configuration = await this.#configurationOf(client);
    const answer = new URL(client.redirectUri);
    answer.search = query;
    try {
      const tokens = await authorizationCodeGrant(configuration, answer, { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: codeVerifier, idTokenExpected: true });
      return { identityToken: tokens.id_token!, returnPath };
    } catch (error) {
      throw failureOf(error, client);
    }
  }

  #open(sealed: string, client: ConsoleClient): PendingSignIn {
    const opened = unseal(Buffer.from(sealed, "base64url"), this.#sealingKey, placeOf(client));
    const pending = opened && (JSON.parse(opened.toString()) as PendingSignIn);
    if (pending !== undefined && pending.endMs > this.#options.clock.now()) return pending;
    throw new GatewayError("SIGN_IN_FAILED", `This browser has begun no sign-in at ${client.issuer} in the last ${longestSignInMs / 60_000} minutes. Sign in again.`, { metadata: { issuer: client.issuer } });
  }

  async #configurationOf(client: ConsoleClient): Promise<Configuration> {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#known?.client === client && nowMs < this.#known.untilMs) return this.#known.configuration;
    try {
      // The rule of the field allows http for issuers on this machine alone.
      const execute = client.issuer.startsWith("http://") ? [allowInsecureRequests] : [];
      const options = { [customFetch]: fetchBy(this.#options.exchange, client), timeout: timeoutSeconds, execute };
      const configuration = await discovery(new URL(client.issuer), client.clientId, { [clockTolerance]: client.clockToleranceMs / 1_000 }, authenticationOf(client), options);
      this.#known = { client, configuration, untilMs: nowMs + freshForMs };
      return configuration;
    } catch (error) {
      throw unavailable(client, error);
    }
  }
}

/** A sign-in that was begun as another client is not finished. */
function placeOf({ issuer, clientId, redirectUri }: ConsoleClient): readonly string[] {
  return [issuer, clientId, redirectUri];
}

/** OpenID Connect Discovery 1.0, section 3: a provider that does not say takes the secret in the header. */
function authenticationOf({ clientSecret }: ConsoleClient): ClientAuth {
  if (clientSecret === undefined) return None();
  const [post, basic] = [ClientSecretPost(clientSecret.reveal()), ClientSecretBasic(clientSecret.reveal())];
  return (server, ...rest) => (server.token_endpoint_auth_methods_supported?.includes("client_secret_basic") === false ? post : basic)(server, ...rest);
}

function fetchBy(exchange: Exchange, client: ConsoleClient): CustomFetch {
  return async (url, { method, headers, body, signal = AbortSignal.timeout(timeoutSeconds * 1_000) }) => {
    const request = { method, url, headers, ...(body instanceof URLSearchParams && { body: body.toString() }) };
    const reply = await exchange(request, signal).catch((cause: unknown) => {
      throw unavailable(client, cause);
    });
    if (reply.status >= 500) throw unavailable(client, new Error(`it answered with status ${reply.status}`));
    return new Response(Buffer.from(reply.body), { status: reply.status, headers: { ...reply.headers } });
  };
}

function unavailable({ issuer }: ConsoleClient, cause: unknown): GatewayError {
  return gatewayErrorIn(cause) ?? new GatewayError("DEPENDENCY_UNAVAILABLE", `Nobody can sign in at ${issuer} now: it does not answer as an OpenID provider. Try again soon, or sign in with a key; Weir's log has the cause.`, { metadata: { dependency: "issuer", issuer }, retryAfterMs: 5_000, cause });
}

/** What is the cause of that in the library can have tokens in it, and goes nowhere. */
function failureOf(error: unknown, { issuer }: ConsoleClient): GatewayError {
  const cause = gatewayErrorIn(error);
  if (cause !== undefined) return cause;
  const code = error instanceof AuthorizationResponseError || error instanceof ResponseBodyError ? error.error : error instanceof ClientError ? (error.code ?? "") : "";
  const shown = /^[\w.-]{1,64}$/.test(code) ? code : "unknown";
  return new GatewayError("SIGN_IN_FAILED", `The sign-in at ${issuer} did not come to its end (${shown}). Sign in again; if that does not help, have your operator compare \`console\` in weir.yaml with what the issuer knows of it.`, { metadata: { issuer, code: shown } });
}

/** What Weir itself had to say, where the library has wrapped it. */
function gatewayErrorIn(error: unknown): GatewayError | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof GatewayError) return cause;
  return undefined;
}
