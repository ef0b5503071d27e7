/** Owns the grant of a caller who shows a token made with a key: the key's grant, narrowed to calling models and to the token's own bounds. */
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
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
