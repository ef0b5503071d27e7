/** Owns WatchRecalls. */
import { create } from "@bufbuild/protobuf";
import { WatchRecallsResponseSchema, type WatchRecallsRequest, type WatchRecallsResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import { withHeartbeats } from "#platform/views/heartbeats.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { RecallFeed } from "../../store/recall-feed.ts";

export function watchRecalls({ holderId, heartbeatInterval }: WatchRecallsRequest, { signal }: CallContext, feed: RecallFeed): AsyncGenerator<WatchRecallsResponse> {
  return withHeartbeats({ interval: heartbeatInterval, heartbeat: create(WatchRecallsResponseSchema, { heartbeat: true }), open: (openSignal) => recalls(holderId, openSignal, feed), signal });
}

async function* recalls(holderId: string, signal: AbortSignal, feed: RecallFeed): AsyncGenerator<WatchRecallsResponse> {
  for await (const leaseIds of feed.watch(holderId, signal)) yield create(WatchRecallsResponseSchema, { leaseIds });
}
