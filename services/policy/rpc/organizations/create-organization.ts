/** Owns CreateOrganization. */
import { create } from "@bufbuild/protobuf";
import { CreateOrganizationResponseSchema, type CreateOrganizationRequest, type CreateOrganizationResponse } from "#gen/weir/policy/v1/organization_pb.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { readName } from "../../domain/names.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findOrganization, insertOrganization } from "../../store/organizations.ts";

export async function createOrganization({ requestId, ...request }: CreateOrganizationRequest, { identity }: CallContext, { database, clock }: PolicyDependencies): Promise<CreateOrganizationResponse> {
  const name = readName(request.name);
  const id = newId("org", clock);
  const organization = await database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateOrganization", identity, requestId, input: [name], resultId: id });
    if (answeredId !== undefined) return findOrganization(transaction, answeredId);
    return insertOrganization(transaction, { id, name, createTime: new Date(clock.now()) });
  });
  return create(CreateOrganizationResponseSchema, { organization });
}
