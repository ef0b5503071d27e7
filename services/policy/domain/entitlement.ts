/** Owns the rule that nobody gives, or takes over, more than they have. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import type { Scope } from "#gen/weir/policy/v1/scope_pb.ts";
import type { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { coversRange } from "#platform/http/ip-range.ts";
import type { Identity } from "#platform/rpc/service-types.ts";

/** What someone may do, with what, and until when; a Grant is one. */
export interface Entitlement {
  readonly permissions: readonly Permission[];
  readonly reach: Reach;
  /** Each must allow a call. */
  readonly scopes: readonly Scope[];
  /** Absent when it has no end. */
  readonly expireTime?: Timestamp | undefined;
}

/** Throws PERMISSION_DENIED when the key that the caller makes or changes would have more than the caller has. */
export function checkWithin(child: Entitlement, identity: Identity): void {
  if (identity.kind === "service") return;
  const excess = excessOf(child, identity.grant);
  if (excess === undefined) return;
  const { field, bound } = excess;
  throw new GatewayError("PERMISSION_DENIED", `A key gives no more than it has: ${field} goes beyond its own (${bound}). Stay within that, or use a key that has more.`, { metadata: { field } });
}

/** What the child has and the parent has not: the field, and the parent's bound for people; undefined when there is no such thing. */
export function excessOf(child: Entitlement, parent: Entitlement): { readonly field: string; readonly bound: string } | undefined {
  if (!child.permissions.every((permission) => parent.permissions.includes(permission)) || child.reach > parent.reach) return { field: "role", bound: "less may be done, or less far" };
  if (endOf(child) > endOf(parent)) return { field: "expire_time", bound: `it ends at ${new Date(endOf(parent)).toISOString()}` };
  for (const bounds of parent.scopes) {
    for (const field of scopeFields) {
      const bound = bounds[field];
      if (bound.length === 0) continue;
      if (!child.scopes.some((scope) => isWithin(scope[field], bound, covers[field]))) return { field: `scope.${field === "ipRanges" ? "ip_ranges" : field}`, bound: bound.slice(0, 5).join(", ") };
    }
  }
  return undefined;
}

const scopeFields = ["models", "providers", "operations", "ipRanges", "origins"] as const;

type ScopeField = (typeof scopeFields)[number];

/** Whether a bound with this entry allows all that the other entry allows. */
type Covers = (bound: string, entry: string) => boolean;

const isSame: Covers = (bound, entry) => bound === entry;

const covers: Readonly<Record<ScopeField, Covers>> = {
  models: (bound, entry) => bound === entry || (bound.endsWith("/*") && entry.startsWith(bound.slice(0, -1))),
  providers: isSame,
  operations: isSame,
  ipRanges: coversRange,
  origins: isSame,
};

function isWithin(entries: readonly string[], bound: readonly string[], covers: Covers): boolean {
  return entries.length > 0 && entries.every((entry) => bound.some((one) => covers(one, entry)));
}

function endOf({ expireTime }: Entitlement): number {
  return expireTime === undefined ? Infinity : timestampMs(expireTime);
}
