/** Owns WatchRules. */
import { create } from "@bufbuild/protobuf";
import { WatchRulesResponseSchema, type WatchRulesRequest, type WatchRulesResponse } from "#gen/weir/policy/v1/rule_set_pb.ts";
import { withHeartbeats } from "#platform/views/heartbeats.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { RuleFeed } from "../../store/rule-feed.ts";

export function watchRules({ heartbeatInterval }: WatchRulesRequest, { signal }: CallContext, rules: RuleFeed): AsyncGenerator<WatchRulesResponse> {
  return withHeartbeats({ interval: heartbeatInterval, heartbeat: create(WatchRulesResponseSchema, { heartbeat: true }), open: (openSignal) => rules.watch(openSignal), signal });
}
