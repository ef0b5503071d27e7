/** Owns an issuer of tokens for tests: an OpenID provider as far as Weir sees one, with keys made on the spot. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from "jose";
import { SignInDesk, type OpenIdClient } from "./sign-in-desk.ts";

export interface TokenOptions {
  /** Beside what the other options say, and before it. */
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly subject?: string;
  readonly audience?: string;
  readonly issuer?: string;
  /** In seconds from now; negative for a token that has ended. */
  readonly lifetimeSeconds?: number;
  /** Signs with a key that the issuer does not publish, under the name of one that it does. */
  readonly forged?: boolean;
}

export interface TokenIssuer {
  readonly url: string;
  /** How often its keys were asked for. */
  readonly keyRequests: number;
  /** Where people sign in for its client. */
  readonly desk: SignInDesk;
  token(options?: TokenOptions): Promise<string>;
  /** Signs with a new key from now on; the former is not published any more. */
  rotate(): Promise<void>;
  stop(): Promise<void>;
}

/** Without a client, nobody signs in there. */
export async function startTokenIssuer(client?: OpenIdClient): Promise<TokenIssuer> {
  let generation = 0;
  let keyRequests = 0;
  let signing: CryptoKey;
  let published: JWK;
  const rotate = async (): Promise<void> => {
    const pair = await generateKeyPair("ES256", { extractable: true });
    generation++;
    signing = pair.privateKey;
    published = { ...(await exportJWK(pair.publicKey)), kid: `key-${generation}`, alg: "ES256", use: "sig" };
  };
  await rotate();
  const server = createServer((request, response) => {
    if (desk.answer(request, response)) return;
    response.setHeader("content-type", "application/json");
    const isDiscovery = request.url === "/.well-known/openid-configuration";
    if (!isDiscovery) keyRequests++;
    response.end(JSON.stringify(isDiscovery ? { issuer: url, jwks_uri: `${url}/keys`, ...desk.discovery(url) } : { keys: [published] }));
  });
  const url = await listenOnLoopback(server);
  const issuer: TokenIssuer = {
    url,
    desk: new SignInDesk(client, url, (options) => issuer.token(options)),
    get keyRequests() {
      return keyRequests;
    },
    rotate,
    token: async ({ claims = {}, subject = "ada", audience = "weir", issuer = url, lifetimeSeconds = 300, forged = false } = {}) => {
      const key = forged ? (await generateKeyPair("ES256")).privateKey : signing;
      const nowSeconds = Math.floor(Date.now() / 1000);
      const token = new SignJWT({ sub: subject, exp: nowSeconds + lifetimeSeconds, ...claims }).setProtectedHeader({ alg: "ES256", kid: published.kid! }).setIssuer(issuer).setAudience(audience).setIssuedAt(nowSeconds - 3_600);
      return token.sign(key);
    },
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  const { desk } = issuer;
  return issuer;
}

async function listenOnLoopback(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
