/** Owns what it means that a Response failed, in a stream or in one piece. */
import type { GatewayError } from "#platform/errors.ts";
import { asText, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readErrorEvent } from "../errors.ts";

const vendorFaults: ReadonlySet<string> = new Set(["", "server_error", "server_is_overloaded", "slow_down", "vector_store_timeout"]);

export function readResponsesError(error: JsonObject): GatewayError {
  return readErrorEvent({ error: withClass(error) });
}

/** It has a code, but no class that tells whose fault it is (`ResponseError` of the `openai` package). */
function withClass(error: JsonObject): JsonObject {
  const type = asText(error["type"]);
  if (type !== "" && type !== "error") return error;
  const code = asText(error["code"]);
  return { ...error, type: vendorFaults.has(code) ? "server_error" : "invalid_request_error" };
}
