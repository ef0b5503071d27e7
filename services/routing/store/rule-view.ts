/** Owns routing's copy of the rules, and those for each grant, found once. */
import { create } from "@bufbuild/protobuf";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { WatchRulesRequestSchema, type WatchRulesResponse } from "#gen/weir/policy/v1/rule_set_pb.ts";
import type { Logger } from "#platform/logger.ts";
import { followView, heartbeatInterval } from "#platform/views/pushed-view.ts";
import type { ServiceInterface } from "#platform/rpc/service-types.ts";
import { rulesFor, type GrantRules, type RuleSource } from "../domain/grant-rules.ts";

export interface RuleViewOptions {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "watchRules">;
  readonly logger: Logger;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

const identity = { kind: "service", name: "routing" } as const;

/** Resolves when the first rules are here; the source follows them until the signal fires. */
export async function followRules({ policy, logger, signal }: RuleViewOptions): Promise<RuleSource> {
  let current: WatchRulesResponse;
  // Every request asks, so an answer is kept as long as neither the grant nor the rules change.
  let found = new WeakMap<Grant, { readonly rules: GrantRules | undefined }>();
  await followView({
    name: "rules",
    open: (openSignal) => policy.watchRules(create(WatchRulesRequestSchema, { heartbeatInterval }), { identity, requestId: "", signal: openSignal }),
    apply: (rules) => {
      current = rules;
      found = new WeakMap();
    },
    logger,
    signal,
  });
  return (grant) => {
    let entry = found.get(grant);
    if (entry === undefined) {
      entry = { rules: rulesFor(grant, current) };
      found.set(grant, entry);
    }
    return entry.rules;
  };
}
