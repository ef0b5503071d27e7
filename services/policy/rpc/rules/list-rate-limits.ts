/** Owns ListRateLimits: those of the configuration file stand on the first page, before all others. */
import { create } from "@bufbuild/protobuf";
import { ListRateLimitsResponseSchema, type ListRateLimitsRequest, type ListRateLimitsResponse } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { cutPage, readPage } from "../../domain/page.ts";
import { selectRateLimits } from "../../store/rate-limits.ts";

export async function listRateLimits(request: ListRateLimitsRequest, { database, config }: PolicyDependencies): Promise<ListRateLimitsResponse> {
  const { organizationId } = request;
  const scope = ["rate_limits", organizationId];
  const page = readPage(request, scope, 1);
  const found = await selectRateLimits(database, organizationId, page);
  const { entries, nextPageToken } = cutPage(found, page, scope, ({ id }) => [id]);
  const configured = page.after === undefined ? config.current.rateLimits.filter(({ rule }) => organizationId === "" || rule!.organizationId === "" || rule!.organizationId === organizationId) : [];
  return create(ListRateLimitsResponseSchema, { rateLimits: [...configured, ...entries], nextPageToken });
}
