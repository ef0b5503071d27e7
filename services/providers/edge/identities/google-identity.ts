/** Owns access tokens for an identity at Google Cloud: a service account's key, a workload identity, or what the machine has. */
import { readFile } from "node:fs/promises";
import type { AuthClient, IdentityPoolClientOptions, JWTInput, OAuth2ClientOptions } from "google-auth-library";
import type { GoogleIdentity } from "#gen/weir/config/v1/provider_pb.ts";
import type { Exchange } from "#platform/egress/egress-exchange.ts";
import { AccessToken, type ObtainedCredential } from "../../domain/credentials/credential-source.ts";

/** How the library sends. */
type Sending = Pick<OAuth2ClientOptions, "transporterOptions">;

const scopes = "https://www.googleapis.com/auth/cloud-platform";

/**
 * Google's library goes through our egress, except to a machine's own metadata service, whose address it knows itself.
 * A new client each time: so a changed file counts.
 */
export async function obtainGoogleToken({ credentials, credentialsFile }: GoogleIdentity, exchange: Exchange, _nowMs: number, signal: AbortSignal): Promise<ObtainedCredential> {
  const json = credentialsFile === undefined ? credentials : await readFile(credentialsFile, "utf8");
  const options: Sending = { transporterOptions: { fetchImplementation: fetchThrough(exchange, signal) } };
  const client = json === undefined ? await clientOfMachine(options) : await clientFor(parseCredentials(json), options);
  sendTokenServiceLikewise(client);
  const { token } = await client.getAccessToken();
  const expiresAtMs = client.credentials.expiry_date;
  if (typeof token !== "string" || typeof expiresAtMs !== "number") throw new Error("Google gave no access token with an end");
  return { credential: new AccessToken(token), expiresAtMs };
}

// The library is loaded when it is needed: few providers do, and it takes a while.

async function clientOfMachine(clientOptions: Sending): Promise<AuthClient> {
  const { GoogleAuth } = await import("google-auth-library");
  return new GoogleAuth({ scopes, clientOptions }).getClient();
}

async function clientFor(credentials: JWTInput, options: Sending): Promise<AuthClient> {
  const { IdentityPoolClient, JWT, UserRefreshClient } = await import("google-auth-library");
  switch (credentials.type) {
    case "service_account":
      return new JWT({ email: credentials.client_email ?? "", key: credentials.private_key ?? "", scopes, ...options });
    case "authorized_user":
      return new UserRefreshClient({ clientId: credentials.client_id ?? "", clientSecret: credentials.client_secret ?? "", refreshToken: credentials.refresh_token ?? "", ...options });
    case "external_account":
      return new IdentityPoolClient({ ...(credentials as IdentityPoolClientOptions), scopes: [scopes], ...options });
    default:
      throw new Error("the credentials are of a type that is not known; known are service_account, external_account and authorized_user");
  }
}

/** Throws an error that quotes nothing of them, as JSON.parse would. */
function parseCredentials(json: string): JWTInput {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // It is no JSON: see below.
  }
  throw new Error("the credentials are not the JSON of a key or of a workload identity that Google made");
}

function fetchThrough(exchange: Exchange, signal: AbortSignal): (input: string | URL | Request, init?: RequestInit) => Promise<Response> {
  return async (input, { method, headers, body } = {}) => {
    const request = new Request(input, { method: method ?? "GET", headers: headers ?? {}, body: body ?? null });
    const text = await request.text();
    const reply = await exchange({ method: request.method, url: request.url, headers: Object.fromEntries(request.headers), ...(text === "" ? {} : { body: text }) }, signal);
    return new Response(new Uint8Array(reply.body), { status: reply.status, headers: reply.headers });
  };
}

/** The library lets a workload identity's calls to the token service go past the option that says how to send. */
function sendTokenServiceLikewise(client: AuthClient): void {
  const { stsCredential } = client as unknown as { readonly stsCredential?: Pick<AuthClient, "transporter"> };
  if (stsCredential !== undefined) stsCredential.transporter = client.transporter;
}
