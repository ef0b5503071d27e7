/** Owns UpdateOrganization. */
import { create } from "@bufbuild/protobuf";
import { UpdateOrganizationRequestSchema, UpdateOrganizationResponseSchema, type UpdateOrganizationRequest, type UpdateOrganizationResponse } from "#gen/weir/policy/v1/organization_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { readName } from "../../domain/names.ts";
import { checkNotOwn } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findOrganization, renameOrganization, suspendOrganization } from "../../store/organizations.ts";

export async function updateOrganization(request: UpdateOrganizationRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<UpdateOrganizationResponse> {
  const { organizationId: id, requestId, suspended } = request;
  const paths = request.updateMask?.paths ?? [];
  const organization = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "UpdateOrganization", identity, requestId, input: inputOf(UpdateOrganizationRequestSchema, request), resultId: id });
    if (answeredId === undefined) {
      if (paths.includes("name")) await renameOrganization(transaction, id, readName(request.name));
      if (paths.includes("suspended")) {
        if (suspended) checkNotOwn("organization", id, identity);
        await suspendOrganization(transaction, id, suspended ? new Date(clock.now()) : undefined);
      }
    }
    return findOrganization(transaction, id);
  });
  return create(UpdateOrganizationResponseSchema, { organization });
}
