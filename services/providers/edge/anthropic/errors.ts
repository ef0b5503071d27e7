/** Owns the meaning of Anthropic's errors. */
import { GatewayError } from "#platform/errors.ts";
import { retryAfterMs } from "#platform/http/retry-after.ts";
import type { VendorReply } from "../../domain/adapter.ts";

/** The longest part of a vendor's message that is passed on. */
const maximumMessageLength = 2000;

/** The error that a reply with a status outside 2xx means. */
export function readError(reply: VendorReply): GatewayError {
  const { type, message } = parseError(Buffer.from(reply.body).toString("utf8"));
  return toError(reply.status, type, message, retryAfterMs(reply.headers));
}

/** The error that an `error` event in a stream means. */
export function readErrorEvent(data: string): GatewayError {
  const { type, message } = parseError(data);
  return toError(statuses.get(type) ?? 500, type, message, undefined);
}

/** Source: https://platform.claude.com/docs/en/api/errors; an event carries no status of its own. */
const statuses: ReadonlyMap<string, number> = new Map([
  ["invalid_request_error", 400],
  ["authentication_error", 401],
  ["billing_error", 402],
  ["permission_error", 403],
  ["not_found_error", 404],
  ["conflict_error", 409],
  ["request_too_large", 413],
  ["rate_limit_error", 429],
  ["api_error", 500],
  ["timeout_error", 504],
  ["overloaded_error", 529],
]);

function toError(status: number, type: string, message: string, retryAfterMs: number | undefined): GatewayError {
  const options = { metadata: { status: String(status), type }, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  switch (status) {
    // What Anthropic says of the account is the operator's business: its text never goes on to callers.
    case 401:
    case 402:
    case 403:
      return new GatewayError("UPSTREAM_UNAUTHENTICATED", `Anthropic refused the gateway's account (${status}); its operator must check the key, its permissions and its billing.`, options);
    case 429:
      return new GatewayError("UPSTREAM_RATE_LIMITED", "Anthropic limits the rate of the gateway's account; try again later.", options);
  }
  if (status === 408 || status >= 500) return new GatewayError("UPSTREAM_UNAVAILABLE", `Anthropic failed with status ${status}${type === "" ? "" : ` (${type})`}.`, options);
  if (status >= 400) {
    return new GatewayError("UPSTREAM_REJECTED", message === "" ? `Anthropic refused the request with status ${status}.` : message.slice(0, maximumMessageLength), options);
  }
  return new GatewayError("UPSTREAM_PROTOCOL", `Anthropic answered with status ${status}, which is neither a reply nor an error.`, options);
}

function parseError(text: string): { readonly type: string; readonly message: string } {
  try {
    const { error } = JSON.parse(text) as { readonly error?: { readonly type?: unknown; readonly message?: unknown } };
    return { type: typeof error?.type === "string" ? error.type : "", message: typeof error?.message === "string" ? error.message : "" };
  } catch {
    return { type: "", message: "" };
  }
}
