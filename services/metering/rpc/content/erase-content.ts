/** Owns EraseContent: an organization's data key is destroyed, so that no copy of what it sealed can be read. */
import { create } from "@bufbuild/protobuf";
import { EraseContentResponseSchema, type EraseContentRequest, type EraseContentResponse } from "#gen/weir/metering/v1/content_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import { destroyKeys } from "../../store/contents.ts";

export async function eraseContent(database: Database, { organizationId }: EraseContentRequest): Promise<EraseContentResponse> {
  if (organizationId === "") throw new GatewayError("INVALID_REQUEST", "This key reaches every organization: say in `organization_id` whose content to erase.");
  return create(EraseContentResponseSchema, { calls: await destroyKeys(database, organizationId) });
}
