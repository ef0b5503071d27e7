/** Owns the list of identities for which credentials are obtained: to add one, add its message to provider.proto of the configuration, its file and a row here. */
import { toJsonString, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { AwsIdentitySchema, EntraIdentitySchema, GoogleIdentitySchema, type Provider } from "#gen/weir/config/v1/provider_pb.ts";
import { VaultSchema, VaultSecretSchema, type VaultSecret } from "#gen/weir/config/v1/vault_pb.ts";
import { exchangeThroughEgress, type Exchange } from "#platform/egress/egress-exchange.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { ObtainCredential, ObtainedCredential } from "../../domain/credentials/credential-source.ts";
import type { VaultClient } from "../vault/vault-client.ts";
import { obtainAwsKey } from "./aws-identity.ts";
import { obtainEntraToken } from "./entra-identity.ts";
import { obtainGoogleToken } from "./google-identity.ts";
import { obtainVaultSecret } from "./vault-secret.ts";

/** The field of a provider under which the identity stands. */
export type IdentityName = NonNullable<Provider["identity"]["case"]>;

/** An identity as the operator has configured it. */
export interface Identity {
  readonly name: IdentityName;
  /** Its settings as text, by which a changed one is told from the same. */
  readonly settings: Secret;
  readonly obtain: ObtainCredential;
}

/** The identity of a provider; undefined where it has none, or its key stands in a Vault that nothing is said of. */
export function identityOf({ identity }: Provider, vault: VaultClient | undefined): Identity | undefined {
  switch (identity.case) {
    case "google":
      return identityBy("google", GoogleIdentitySchema, identity.value, obtainGoogleToken);
    case "entra":
      return identityBy("entra", EntraIdentitySchema, identity.value, obtainEntraToken);
    case "aws":
      return identityBy("aws", AwsIdentitySchema, identity.value, obtainAwsKey);
    case "vault":
      return vault && identityInVault(identity.value, vault);
    default:
      return undefined;
  }
}

function identityInVault(secret: VaultSecret, vault: VaultClient): Identity {
  const settings = toJsonString(VaultSchema, vault.settings) + toJsonString(VaultSecretSchema, secret);
  return { name: "vault", settings: new Secret(settings), obtain: (nowMs, signal) => obtainVaultSecret(secret, vault, nowMs, signal) };
}

function identityBy<Schema extends DescMessage>(
  name: IdentityName,
  schema: Schema,
  settings: MessageShape<Schema>,
  obtain: (settings: MessageShape<Schema>, exchange: Exchange, nowMs: number, signal: AbortSignal) => Promise<ObtainedCredential>,
): Identity {
  return { name, settings: new Secret(toJsonString(schema, settings)), obtain: (nowMs, signal) => obtain(settings, exchangeThroughEgress, nowMs, signal) };
}
