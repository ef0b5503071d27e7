/** Owns WatchGrants. */
import type { KeyObject } from "node:crypto";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { WatchGrantsRequest, WatchGrantsResponse } from "#gen/weir/policy/v1/grant_watch_pb.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { GrantFeed } from "../../store/grant-feed.ts";

/** While the database is down the stream stays open and silent but for heartbeats, and then begins again with a snapshot. */
export async function* watchGrants({ heartbeatInterval }: WatchGrantsRequest, { signal }: CallContext, feed: GrantFeed, pepper: KeyObject): AsyncGenerator<WatchGrantsResponse> {
  const pepperBytes = pepper.export();
  const heartbeatMs = heartbeatInterval && durationMs(heartbeatInterval);
  for await (const message of feed.watch(signal, heartbeatMs)) yield message.snapshot ? { ...message, pepper: pepperBytes } : message;
}
