/** Owns the header by which callers of the HTTP dialects ask for strictness: what a target cannot honour is refused, not warned of. */
import { GatewayError } from "#platform/errors.ts";

const strictHeader = "x-weir-strict";

/** Throws INVALID_REQUEST for any value but `true` and `false`. */
export function readStrictness(header: string | string[] | undefined): boolean {
  if (header === undefined || header === "false") return false;
  if (header === "true") return true;
  throw new GatewayError("INVALID_REQUEST", `The header ${strictHeader} must be \`true\` or \`false\`.`, { fieldViolations: [{ field: strictHeader, description: "neither `true` nor `false`" }] });
}
