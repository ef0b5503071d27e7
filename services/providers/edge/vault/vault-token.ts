/** Owns a token of Vault: how Weir gets one by each way of signing in, and until when it is good. */
import { readFile } from "node:fs/promises";
import type { Vault, VaultAppRole, VaultKubernetes } from "#gen/weir/config/v1/vault_pb.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { asCount, asObject, asText, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { askVault, VaultRefusal, type VaultAccess } from "./vault-exchange.ts";

export interface VaultToken {
  readonly secret: Secret;
  readonly isRenewable: boolean;
  /** How long it was good when it was obtained or renewed; infinite when it has no end. */
  readonly lifetimeMs: number;
  /** When that was, in milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Throws as askVault does, or when a file cannot be read. */
export async function signInAt({ signIn }: Vault, access: VaultAccess, nowMs: number, signal: AbortSignal): Promise<VaultToken> {
  switch (signIn.case) {
    case "token":
      return known(new Secret(signIn.value), access, nowMs, signal);
    case "tokenFile":
      return known(new Secret(await readTrimmed(signIn.value)), access, nowMs, signal);
    case "appRole":
      return issued(await askVault({ method: "POST", path: `auth/${signIn.value.mount || "approle"}/login`, body: await appRoleProof(signIn.value) }, access, signal), nowMs);
    case "kubernetes":
      return issued(await askVault({ method: "POST", path: `auth/${signIn.value.mount || "kubernetes"}/login`, body: await kubernetesProof(signIn.value) }, access, signal), nowMs);
    default:
      throw new Error("nothing says how to sign in at Vault");
  }
}

/** The same token with a new end. Source: https://developer.hashicorp.com/vault/api-docs/auth/token#renew-a-token-self */
export async function renew({ secret }: VaultToken, access: VaultAccess, nowMs: number, signal: AbortSignal): Promise<VaultToken> {
  return issued(await askVault({ method: "POST", path: "auth/token/renew-self", body: {} }, { ...access, token: secret }, signal), nowMs);
}

/** Whether Vault says that it knows the token no more. */
export async function wasRevoked({ secret }: VaultToken, access: VaultAccess, signal: AbortSignal): Promise<boolean> {
  return lookUp(secret, access, signal).then(() => false, (error: unknown) => error instanceof VaultRefusal && error.status === 403);
}

async function known(secret: Secret, access: VaultAccess, nowMs: number, signal: AbortSignal): Promise<VaultToken> {
  const data = asObject((await lookUp(secret, access, signal))["data"]);
  const lifetimeMs = asText(data["expire_time"]) === "" ? Infinity : (asCount(data["ttl"]) ?? 0) * 1000;
  return { secret, isRenewable: data["renewable"] === true, lifetimeMs, sinceMs: nowMs };
}

/** Source: https://developer.hashicorp.com/vault/api-docs/auth/token#lookup-a-token-self */
function lookUp(secret: Secret, access: VaultAccess, signal: AbortSignal): Promise<JsonObject> {
  return askVault({ method: "GET", path: "auth/token/lookup-self" }, { ...access, token: secret }, signal);
}

/** Source: https://developer.hashicorp.com/vault/api-docs/auth/approle#login-with-approle */
async function appRoleProof({ roleId, secretId, secretIdFile }: VaultAppRole): Promise<JsonObject> {
  const proof = secretIdFile === "" ? secretId : await readTrimmed(secretIdFile);
  return { role_id: roleId, ...(proof === "" ? {} : { secret_id: proof }) };
}

/** Source: https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#login */
async function kubernetesProof({ role, tokenFile }: VaultKubernetes): Promise<JsonObject> {
  return { role, jwt: await readTrimmed(tokenFile || "/var/run/secrets/kubernetes.io/serviceaccount/token") };
}

function issued(json: JsonObject, nowMs: number): VaultToken {
  const auth = asObject(json["auth"]);
  const text = asText(auth["client_token"]);
  if (text === "") throw new Error("Vault let Weir sign in but gave it no token");
  // Vault says 0 of what has no end.
  const lifetimeMs = (asCount(auth["lease_duration"]) || Infinity) * 1000;
  return { secret: new Secret(text), isRenewable: auth["renewable"] === true, lifetimeMs, sinceMs: nowMs };
}

async function readTrimmed(path: string): Promise<string> {
  return (await readFile(path, "utf8")).trim();
}
