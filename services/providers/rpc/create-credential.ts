/** Owns CreateCredential. */
import { create } from "@bufbuild/protobuf";
import { CreateCredentialResponseSchema, type CreateCredentialRequest, type CreateCredentialResponse } from "#gen/weir/providers/v1/credential_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { insertCredential } from "../store/credentials.ts";
import { readSecret, type CredentialParts } from "./credential-parts.ts";

export async function createCredential(request: CreateCredentialRequest, { stored, config, clock }: CredentialParts): Promise<CreateCredentialResponse> {
  const { provider, name, weight, requestId } = request;
  checkProvider(provider, config.current.providers);
  const secret = readSecret(request.secret);
  const id = newId("cred", clock);
  const sealed = await stored.seal(secret, id);
  const credential = await insertCredential(await stored.database(), { id, provider, name, weight: weight === 0 ? 1 : weight, ...sealed, createTime: new Date(clock.now()), requestId });
  return create(CreateCredentialResponseSchema, { credential });
}

function checkProvider(name: string, providers: CredentialParts["config"]["current"]["providers"]): void {
  const provider = providers.get(name);
  if (provider === undefined) throw new GatewayError("NOT_FOUND", `No provider has the name ${name}; see "providers" in weir.yaml.`, { metadata: { kind: "provider", id: name } });
  if (provider.hasStoredCredentials) return;
  const description = `The provider ${name} takes no stored credentials.`;
  throw new GatewayError("INVALID_REQUEST", `${description} Set providers.${name}.stored_credentials in weir.yaml.`, { fieldViolations: [{ field: "provider", description }] });
}
