/** Owns WatchRules. */
import type { WatchRulesRequest, WatchRulesResponse } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { CallContext } from "#platform/service-types.ts";
import type { RuleFeed } from "../store/rule-feed.ts";

export function watchRules(_request: WatchRulesRequest, { signal }: CallContext, rules: RuleFeed): AsyncGenerator<WatchRulesResponse> {
  return rules.watch(signal);
}
