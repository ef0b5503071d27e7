/** Owns a vendor's key that stands in a Vault: read by its path, and again and again, as nothing says when it is replaced. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { VaultSecret } from "#gen/weir/config/v1/vault_pb.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { isSendable, type ObtainedCredential } from "../../domain/credentials/credential-source.ts";
import { asCount, asObject, asText, isObject, type JsonObject } from "../../domain/translation/vendor-json.ts";
import type { VaultClient } from "../vault/vault-client.ts";

const defaultField = "api_key";
const defaultRefreshMs = 60_000;

/** Sources: https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-version and …/kv/kv-v1#read-secret */
export async function obtainVaultSecret({ path, field }: VaultSecret, vault: VaultClient, nowMs: number, signal: AbortSignal): Promise<ObtainedCredential> {
  const reply = await vault.ask({ method: "GET", path }, nowMs, signal);
  const credential = readKey(fieldsOf(reply), field === "" ? defaultField : field, path);
  // Engines that make keys lend them; what is kept has no lease.
  const isLent = asText(reply["lease_id"]) !== "";
  if (isLent) return { credential, expiresAtMs: nowMs + (asCount(reply["lease_duration"]) ?? 0) * 1000 };
  const { refreshInterval } = vault.settings;
  return { credential, expiresAtMs: Infinity, lookAgainAfterMs: refreshInterval === undefined ? defaultRefreshMs : durationMs(refreshInterval) };
}

/** Version 2 of the key-value engine has them one level deeper, beside their metadata. */
function fieldsOf(reply: JsonObject): JsonObject {
  const data = asObject(reply["data"]);
  return isObject(data["data"]) && isObject(data["metadata"]) ? data["data"] : data;
}

function readKey(fields: JsonObject, field: string, path: string): Secret {
  const text = asText(fields[field]).trim();
  if (text === "") throw new Error(`the secret at ${path} in Vault has no text in its field ${field}; its fields are ${Object.keys(fields).join(", ") || "none"}`);
  if (!isSendable(text)) throw new Error(`the field ${field} of the secret at ${path} in Vault holds a space, a line break or another character that no HTTP header carries`);
  return new Secret(text);
}
