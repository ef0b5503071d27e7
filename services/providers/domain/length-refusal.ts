/** Owns recognizing that a vendor refused a request because it is too long for the model or for the vendor, which each says in its own words. */
import { GatewayError } from "#platform/errors.ts";

const words = [
  // OpenAI and all who speak like it; xAI; Mistral.
  /\bmaximum (?:context|prompt) length\b/i,
  // Anthropic.
  /\bprompt is too long\b/i,
  /\bexceed context limit\b/i,
  // Gemini.
  /\binput token count\b.*\bexceeds the maximum\b/i,
  // Bedrock.
  /\binput is too long for requested model\b/i,
  // Together.
  /\btokens \+ `?max_(?:new_)?tokens`? must be <=/i,
  // Cohere.
  /\btoo many tokens\b/i,
];

/** The error, which says so among its facts where that is why. */
export function withLengthNoted(error: GatewayError): GatewayError {
  if (error.reason !== "UPSTREAM_REJECTED" || !isAboutLength(error)) return error;
  const { reason, message, metadata, retryAfterMs, cause } = error;
  return new GatewayError(reason, message, { metadata: { ...metadata, too_long: "true" }, cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

function isAboutLength({ message, metadata: { status, code } }: GatewayError): boolean {
  return status === "413" || code === "context_length_exceeded" || words.some((word) => word.test(message));
}
