/** Owns CreateCredential. */
import { create } from "@bufbuild/protobuf";
import { CreateCredentialResponseSchema, type CreateCredentialRequest, type CreateCredentialResponse } from "#gen/weir/providers/v1/credential_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { insertCredential } from "../store/credentials.ts";
import { readSecret, type CredentialParts } from "./credential-parts.ts";

export async function createCredential(request: CreateCredentialRequest, { stored, config, clock }: CredentialParts): Promise<CreateCredentialResponse> {
  const { organizationId, provider, name, weight, requestId } = request;
  checkProvider(provider, organizationId, config.current.providers);
  const secret = readSecret(request.secret);
  const id = newId("cred", clock);
  const database = await stored.database();
  const credential = await database.transaction(async (transaction) => {
    const sealed = await stored.seal(transaction, secret, { credentialId: id, organizationId });
    return insertCredential(transaction, { id, organizationId, provider, name, weight: weight === 0 ? 1 : weight, ...sealed, createTime: new Date(clock.now()), requestId });
  });
  return create(CreateCredentialResponseSchema, { credential });
}

function checkProvider(name: string, organizationId: string, providers: CredentialParts["config"]["current"]["providers"]): void {
  const provider = providers.get(name);
  if (provider === undefined) throw new GatewayError("NOT_FOUND", `No provider has the name ${name}; see "providers" in weir.yaml.`, { metadata: { kind: "provider", id: name } });
  if (provider.hasStoredCredentials && provider.onlyOrganizationCredentials && organizationId === "") {
    const description = `The provider ${name} uses credentials of organizations alone (only_organization_credentials). Say whose this one is.`;
    throw new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field: "organization_id", description }] });
  }
  if (provider.hasStoredCredentials) return;
  const description = `The provider ${name} takes no stored credentials.`;
  throw new GatewayError("INVALID_REQUEST", `${description} Set providers.${name}.stored_credentials in weir.yaml.`, { fieldViolations: [{ field: "provider", description }] });
}
