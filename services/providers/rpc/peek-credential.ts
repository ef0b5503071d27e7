/** Owns the PeekCredential RPC: whether there is a credential for an organization's calls, asked as an attempt asks. */
import { create } from "@bufbuild/protobuf";
import { PeekCredentialResponseSchema, type PeekCredentialRequest, type PeekCredentialResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { LiveProviders } from "../edge/live-providers.ts";

export async function peekCredential({ provider, organizationId }: PeekCredentialRequest, providers: LiveProviders): Promise<PeekCredentialResponse> {
  await providers.get(provider, undefined).credentials.of(organizationId).prepare();
  return create(PeekCredentialResponseSchema);
}
