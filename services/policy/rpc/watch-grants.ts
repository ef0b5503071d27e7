/** Owns WatchGrants. */
import type { KeyObject } from "node:crypto";
import type { WatchGrantsRequest, WatchGrantsResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { CallContext } from "#platform/service-types.ts";
import type { GrantFeed } from "../store/grant-feed.ts";

/** While the database is down the stream stays open and silent, and then begins again with a snapshot. */
export async function* watchGrants(_request: WatchGrantsRequest, { signal }: CallContext, feed: GrantFeed, pepper: KeyObject): AsyncGenerator<WatchGrantsResponse> {
  const pepperBytes = pepper.export();
  for await (const message of feed.watch(signal)) yield message.snapshot ? { ...message, pepper: pepperBytes } : message;
}
