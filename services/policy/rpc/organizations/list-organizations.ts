/** Owns ListOrganizations. */
import { create } from "@bufbuild/protobuf";
import { ListOrganizationsResponseSchema, type ListOrganizationsRequest, type ListOrganizationsResponse } from "#gen/weir/policy/v1/organization_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { visibleTo } from "../../domain/reach.ts";
import { selectOrganizations } from "../../store/organizations.ts";

const scope = ["organizations"];

export async function listOrganizations(request: ListOrganizationsRequest, { identity }: CallContext, { database }: PolicyDependencies): Promise<ListOrganizationsResponse> {
  const page = readPage(request, scope, 2);
  const found = await selectOrganizations(database, visibleTo(identity), page);
  const { entries, nextPageToken } = cutPage(found, page, scope, ({ name, id }) => [name, id]);
  return create(ListOrganizationsResponseSchema, { organizations: entries, nextPageToken });
}
