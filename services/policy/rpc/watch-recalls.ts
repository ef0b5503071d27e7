/** Owns WatchRecalls. */
import { create } from "@bufbuild/protobuf";
import { WatchRecallsResponseSchema, type WatchRecallsRequest, type WatchRecallsResponse } from "#gen/weir/policy/v1/lease_pb.ts";
import type { CallContext } from "#platform/service-types.ts";
import type { RecallFeed } from "../store/recall-feed.ts";

export async function* watchRecalls({ holderId }: WatchRecallsRequest, { signal }: CallContext, feed: RecallFeed): AsyncGenerator<WatchRecallsResponse> {
  for await (const leaseIds of feed.watch(holderId, signal)) yield create(WatchRecallsResponseSchema, { leaseIds });
}
