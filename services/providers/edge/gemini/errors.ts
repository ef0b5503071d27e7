/** Owns the meaning of Gemini's errors, which are google.rpc.Status in JSON. */
import { GatewayError } from "#platform/errors.ts";
import { meantWaitMs, retryAfterMs } from "#platform/http/retry-after.ts";
import type { VendorReply } from "../../domain/adapter.ts";
import { asObject, asObjects, asText, isObject, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";

/** The longest part of a vendor's message that is passed on. */
const maximumMessageLength = 2000;

/** The error that a reply with a status outside 2xx means. */
export function readError(reply: VendorReply): GatewayError {
  return toError(reply.status, parseError(reply.body), retryAfterMs(reply.headers));
}

/** The error that an event of a stream is; undefined when it is none. */
export function readErrorEvent(event: JsonObject): GatewayError | undefined {
  if (!isObject(event["error"])) return undefined;
  const error = event["error"];
  const code = Number(error["code"]);
  return toError(Number.isInteger(code) && code >= 400 && code < 600 ? code : 500, error, undefined);
}

/** Source: https://ai.google.dev/gemini-api/docs/generate-content/api-errors. */
function toError(status: number, error: JsonObject, headerRetryMs: number | undefined): GatewayError {
  const type = asText(error["status"]).slice(0, 100);
  const message = asText(error["message"]).slice(0, maximumMessageLength);
  const retryAfterMs = retryInfoMs(error) ?? headerRetryMs;
  const options = { metadata: { status: String(status), ...(type === "" ? {} : { type }) }, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  // What Google says of the account is the operator's business: its text never goes on to callers.
  if (status === 401 || status === 403 || isAboutAccount(status, type, message, error)) {
    return new GatewayError("UPSTREAM_UNAUTHENTICATED", `Gemini refused the gateway's account (${status}); its operator must check the key, its permissions, its billing and its region.`, options);
  }
  if (status === 429) return new GatewayError("UPSTREAM_RATE_LIMITED", "Gemini limits the rate of the gateway's account; try again later.", options);
  // 499 says that something between here and the model gave up.
  if (status === 408 || status === 499 || status >= 500) return new GatewayError("UPSTREAM_UNAVAILABLE", `Gemini failed with status ${status}${type === "" ? "" : ` (${type})`}.`, options);
  if (status >= 400) return new GatewayError("UPSTREAM_REJECTED", message === "" ? `Gemini refused the request with status ${status}.` : message, options);
  return new GatewayError("UPSTREAM_PROTOCOL", `Gemini answered with status ${status}, which is neither a reply nor an error.`, options);
}

/** A wrong key, and a region or an account that must pay first, are 400 like a wrong request. */
function isAboutAccount(status: number, type: string, message: string, error: JsonObject): boolean {
  if (status !== 400) return false;
  const reasons = asObjects(error["details"]).map((detail) => asText(detail["reason"]));
  if (reasons.some((reason) => reason.startsWith("API_KEY_")) || /^API[ _]key /i.test(message)) return true;
  return type === "FAILED_PRECONDITION" && /location|country|billing|free tier/i.test(message);
}

/** In milliseconds, from a google.rpc.RetryInfo such as `"retryDelay": "34.074824224s"`. */
function retryInfoMs(error: JsonObject): number | undefined {
  const info = asObjects(error["details"]).find((detail) => asText(detail["@type"]).endsWith("google.rpc.RetryInfo"));
  const [, seconds] = /^(\d{1,9}(?:\.\d+)?)s$/.exec(asText(info?.["retryDelay"])) ?? [];
  return seconds === undefined ? undefined : meantWaitMs(Math.ceil(Number(seconds) * 1000));
}

/** Seconds alone are read: to read a date one must know the time. */
/** Some errors come in a list, as the events of a stream would. */
function parseError(body: Uint8Array): JsonObject {
  try {
    const value = JSON.parse(textOf(body)) as unknown;
    return asObject(asObject(Array.isArray(value) ? (value as unknown[])[0] : value)["error"]);
  } catch {
    return {};
  }
}
