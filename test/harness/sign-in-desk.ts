/** Owns the authorization code flow of an issuer for tests, as strict as RFC 6749 and RFC 7636 let it be: everybody who comes is signed in at once. */
import { createHash, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import type { TokenOptions } from "./token-issuer.ts";

export interface OpenIdClient {
  readonly id: string;
  /** Absent for a public client. */
  readonly secret?: string;
  readonly redirectUri: string;
  /** How it shows its secret. */
  readonly authentication?: "client_secret_basic" | "client_secret_post";
}

/** What the person agreed to when the code was given. */
interface Granted {
  readonly codeChallenge: string;
  readonly nonce: string;
}

export class SignInDesk {
  /** Who is signed in, and what the token says beside that. */
  person: TokenOptions = {};
  /** In place of a code. */
  refusal: string | undefined;
  /** How often codes were exchanged, or tried to. */
  exchanges = 0;
  readonly #client: OpenIdClient | undefined;
  readonly #issuer: string;
  readonly #sign: (options: TokenOptions) => Promise<string>;
  readonly #codes = new Map<string, Granted>();

  constructor(client: OpenIdClient | undefined, issuer: string, sign: (options: TokenOptions) => Promise<string>) {
    this.#client = client;
    this.#issuer = issuer;
    this.#sign = sign;
  }

  discovery(url: string): object {
    if (this.#client === undefined) return {};
    return {
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      token_endpoint_auth_methods_supported: [this.#client.authentication ?? "client_secret_basic"],
      response_types_supported: ["code"],
      id_token_signing_alg_values_supported: ["ES256"],
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
    };
  }

  /** False for what is none of its paths. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const url = new URL(request.url!, this.#issuer);
    if (this.#client === undefined || !["/authorize", "/token"].includes(url.pathname)) return false;
    if (url.pathname === "/authorize") this.#authorize(url.searchParams, this.#client, response);
    else void this.#exchange(request, this.#client, response);
    return true;
  }

  #authorize(asked: URLSearchParams, client: OpenIdClient, response: ServerResponse): void {
    const expected = { response_type: "code", client_id: client.id, redirect_uri: client.redirectUri, code_challenge_method: "S256" };
    const isWhole = Object.entries(expected).every(([name, value]) => asked.get(name) === value) && asked.get("scope")?.split(" ").includes("openid") && /^[\w-]{43}$/.test(asked.get("code_challenge") ?? "");
    if (isWhole !== true) return void response.writeHead(400).end("not asked as a client should");
    const back = new URL(client.redirectUri);
    back.searchParams.set("state", asked.get("state") ?? "");
    back.searchParams.set("iss", this.#issuer);
    if (this.refusal === undefined) back.searchParams.set("code", this.#newCode({ codeChallenge: asked.get("code_challenge")!, nonce: asked.get("nonce") ?? "" }));
    else back.searchParams.set("error", this.refusal);
    response.writeHead(302, { location: back.href }).end();
  }

  #newCode(granted: Granted): string {
    const code = randomUUID();
    this.#codes.set(code, granted);
    return code;
  }

  async #exchange(request: IncomingMessage, client: OpenIdClient, response: ServerResponse): Promise<void> {
    this.exchanges++;
    const asked = new URLSearchParams(await text(request));
    const granted = this.#codes.get(asked.get("code") ?? "");
    // Good for once, also for who fails.
    this.#codes.delete(asked.get("code") ?? "");
    const challenge = createHash("sha256").update(asked.get("code_verifier") ?? "").digest("base64url");
    if (!isClient(request, asked, client)) return answerJson(response, 401, { error: "invalid_client" });
    if (granted === undefined || granted.codeChallenge !== challenge || asked.get("redirect_uri") !== client.redirectUri || asked.get("grant_type") !== "authorization_code") return answerJson(response, 400, { error: "invalid_grant" });
    const idToken = await this.#sign({ audience: client.id, ...this.person, claims: { nonce: granted.nonce, ...this.person.claims } });
    answerJson(response, 200, { access_token: "unused", token_type: "Bearer", expires_in: 60, id_token: idToken });
  }
}

function isClient({ headers }: IncomingMessage, asked: URLSearchParams, { id, secret, authentication }: OpenIdClient): boolean {
  if (secret === undefined) return asked.get("client_id") === id && headers.authorization === undefined;
  if (authentication === "client_secret_post") return asked.get("client_id") === id && asked.get("client_secret") === secret;
  const [name, word] = Buffer.from(headers.authorization?.replace("Basic ", "") ?? "", "base64").toString().split(":").map((part) => new URLSearchParams(`v=${part}`).get("v"));
  return name === id && word === secret;
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
