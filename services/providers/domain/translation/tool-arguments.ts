/** Owns the arguments of a tool's call for vendors that take them as an object. */
import type { ToolCallPart } from "#gen/weir/inference/v1/content_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseExactJson } from "./exact-json.ts";

/** The object. Throws INVALID_REQUEST that names the field below `path`. */
export function parseToolArguments(call: ToolCallPart, path: string): unknown {
  // Free text of a custom tool, in the one form that fits.
  if (call.custom) return { input: call.arguments };
  if (call.arguments === "") return {};
  try {
    const value = parseExactJson(call.arguments);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Told below, with the place.
  }
  const field = `${path}.tool_call.arguments`;
  throw new GatewayError("INVALID_REQUEST", `${field} must be a JSON object.`, { fieldViolations: [{ field, description: "must be a JSON object" }] });
}
