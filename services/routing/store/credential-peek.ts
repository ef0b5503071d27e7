/** Owns asking providers whether there is a credential for an organization's calls. */
import { create } from "@bufbuild/protobuf";
import { PeekCredentialRequestSchema, type ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";

const identity = { kind: "service", name: "routing" } as const;

/** Throws what an attempt would where there is none. */
export async function peekCredential(providers: Pick<ServiceInterface<typeof ProvidersService>, "peekCredential">, provider: string, organizationId: string, signal: AbortSignal): Promise<void> {
  await providers.peekCredential(create(PeekCredentialRequestSchema, { provider, organizationId }), { identity, requestId: "", signal });
}
