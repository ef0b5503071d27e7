/** Owns access tokens of Microsoft Entra for an application, which proves itself by its secret or by a token that it trusts. */
import { readFile } from "node:fs/promises";
import type { EntraIdentity } from "#gen/weir/config/v1/provider_pb.ts";
import type { Exchange, ExchangeReply } from "#platform/egress/egress-exchange.ts";
import { AccessToken, type ObtainedCredential } from "../../domain/credentials/credential-source.ts";
import { asCount, asObject, asText, type JsonObject } from "../../domain/translation/vendor-json.ts";

const publicAuthority = "https://login.microsoftonline.com";
/** Of Azure OpenAI: https://learn.microsoft.com/azure/ai-foundry/openai/how-to/managed-identity */
const defaultScope = "https://cognitiveservices.azure.com/.default";

/** Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow, the first and the third case. */
export async function obtainEntraToken(settings: EntraIdentity, exchange: Exchange, nowMs: number, signal: AbortSignal): Promise<ObtainedCredential> {
  const { tenantId, clientId, authority, scope } = settings;
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: clientId, scope: scope === "" ? defaultScope : scope, ...(await proofOf(settings)) });
  const url = `${authority === "" ? publicAuthority : authority.replace(/\/+$/, "")}/${tenantId}/oauth2/v2.0/token`;
  const reply = await exchange({ method: "POST", url, headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" }, body: String(form) }, signal);
  const json = parseReply(reply);
  const token = asText(json["access_token"]);
  const lifetimeSeconds = asCount(json["expires_in"]);
  if (reply.status !== 200 || token === "" || lifetimeSeconds === undefined) throw new Error(`Entra gave no token but the status ${reply.status}: ${reasonOf(json)}`);
  return { credential: new AccessToken(token), expiresAtMs: nowMs + lifetimeSeconds * 1000 };
}

async function proofOf({ clientSecret, federatedTokenFile }: EntraIdentity): Promise<Record<string, string>> {
  if (clientSecret !== "") return { client_secret: clientSecret };
  return { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: (await readFile(federatedTokenFile, "utf8")).trim() };
}

function parseReply({ body }: ExchangeReply): JsonObject {
  try {
    return asObject(JSON.parse(body.toString()));
  } catch {
    return {};
  }
}

/** Such as `AADSTS7000215: Invalid client secret provided.`; the lines behind it are for Microsoft. */
function reasonOf(json: JsonObject): string {
  return (asText(json["error_description"]) || asText(json["error"]) || "no reason was given").split(/\r?\n/)[0]!;
}
