/** Owns what a token is good for: calling models, within its key's bounds and its own. */
import { Reach, type Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { TokenClaims } from "#gen/weir/policy/v1/token_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";

/** The key's grant as its token opens it. */
export function narrowedTo({ scope, labels }: TokenClaims, grant: Grant): Grant {
  return {
    ...grant,
    permissions: grant.permissions.filter((permission) => permission === Permission.INFERENCE_USE),
    reach: Reach.TEAM,
    scopes: scope === undefined ? grant.scopes : [...grant.scopes, scope],
    labels: { ...labels, ...grant.labels },
  };
}
