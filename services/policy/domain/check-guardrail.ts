/** Owns what of a guardrail its contract cannot check: that its expressions can be used. */
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { compilePattern } from "#platform/linear-pattern.ts";

/** Throws INVALID_REQUEST. */
export function checkGuardrail({ name, patterns, replySchema }: GuardrailRule): void {
  for (const pattern of patterns) compilePattern(pattern);
  if (replySchema === undefined || replySchema.jsonSchema === "" || isJsonObject(replySchema.jsonSchema)) return;
  throw new GatewayError("INVALID_REQUEST", `The guardrail "${name}" has a reply_schema.json_schema that is no JSON object. Give it a JSON Schema, or leave it empty for what callers ask for.`);
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
