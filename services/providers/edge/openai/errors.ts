/** Owns the vendor's errors: what each status and each error event means for the caller and for the target's health. */
import { GatewayError } from "#platform/errors.ts";
import type { VendorReply } from "../../domain/adapter.ts";
import { statusOfError } from "../../domain/reply/error-body.ts";
import { asObject, asObjects, asText, isObject, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { retryAfterMsOf } from "./retry-after.ts";

/** The longest message of the vendor that is passed on, in characters. */
const maximumMessageLength = 2_000;

interface VendorError {
  readonly message: string;
  readonly type: string;
  readonly code: string;
  readonly param: string;
  /** What the caller said was found to be against the vendor's rules. */
  readonly isAboutContent: boolean;
}

export function readError(reply: VendorReply): GatewayError {
  return errorOf(reply.status, readBody(reply.body), retryAfterMsOf(reply.headers));
}

/** The error in an event of a stream that began well; the status is what the same error has in a whole reply. */
export function readErrorEvent(event: JsonObject): GatewayError {
  const error = readMembers("error" in event ? event["error"] : event);
  return errorOf(statusOfError(error), error, undefined);
}

/** With 403, of a model that is kept from a project, which the vendor names: https://github.com/Aider-AI/aider/issues/604 */
const modelNotFound = "model_not_found";

/** Only a refusal of the request itself quotes the vendor: the other messages may hold the key, or name the operator's account. */
function errorOf(status: number, error: VendorError, retryAfterMs: number | undefined): GatewayError {
  const metadata = { status: String(status), ...named(error) };
  if (status === 403 && error.isAboutContent) {
    return new GatewayError("UPSTREAM_REJECTED", "What the request says is against the vendor's rules for content, and was refused; change it, or use another target.", { metadata: { status: String(status) } });
  }
  if (status === 403 && error.code === modelNotFound) {
    return new GatewayError("UPSTREAM_REJECTED", "The vendor has no such model for the account whose credential the request bore; its operator can have it admitted there. Use another model.", { metadata: { status: String(status), code: modelNotFound } });
  }
  if (status === 401 || status === 403) {
    return new GatewayError("UPSTREAM_UNAUTHENTICATED", `The vendor refused Weir's credential with status ${status}; the operator must check it.`, { metadata: { status: String(status) } });
  }
  if (status === 402 || error.code === "insufficient_quota" || error.type === "insufficient_quota") {
    return new GatewayError("UPSTREAM_RATE_LIMITED", "The quota of Weir's account at the vendor is used up; the operator must raise it.", { metadata });
  }
  if (status === 429) {
    const message = "The vendor limits the rate of Weir's requests; try again later, or use another target.";
    return new GatewayError("UPSTREAM_RATE_LIMITED", message, retryAfterMs === undefined ? { metadata } : { metadata, retryAfterMs });
  }
  if (status >= 500 || status === 408) {
    const message = `The vendor failed with status ${status}; try again, or use another target.`;
    return new GatewayError("UPSTREAM_UNAVAILABLE", message, retryAfterMs === undefined ? { metadata } : { metadata, retryAfterMs });
  }
  if (status >= 400) {
    return new GatewayError("UPSTREAM_REJECTED", error.message === "" ? `The vendor refused the request with status ${status}.` : error.message, { metadata });
  }
  return new GatewayError("UPSTREAM_PROTOCOL", `The vendor answered with status ${status}, which is no reply; the operator must check the provider's base URL.`, { metadata });
}

function named({ type, code, param }: VendorError): Record<string, string> {
  return Object.fromEntries(Object.entries({ type, code, param }).filter(([, value]) => value !== ""));
}

function readBody(body: Uint8Array): VendorError {
  try {
    const parsed = JSON.parse(textOf(body)) as unknown;
    // Gemini's compatible endpoint wraps its errors in a list.
    const value: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
    return readMembers(isObject(value) && "error" in value ? value["error"] : value);
  } catch {
    return readMembers(undefined);
  }
}

/** The error object, which some servers send as a mere string, or flat in the body (vLLM), or as FastAPI's `detail`, which may be a list and stand in the message (Mistral). */
function readMembers(value: unknown): VendorError {
  if (typeof value === "string") return { ...noMembers, message: value.slice(0, maximumMessageLength), isAboutContent: safetyChecks.test(value) };
  if (!isObject(value)) return noMembers;
  const message = asText(value["message"]) || detailOf(value["detail"]) || detailOf(asObject(value["message"])["detail"]);
  return { message: message.slice(0, maximumMessageLength), type: wordOf(value["type"]), code: wordOf(value["code"]), param: wordOf(value["param"]), isAboutContent: safetyChecks.test(message) || "flagged_input" in asObject(value["metadata"]) };
}

const noMembers: VendorError = { message: "", type: "", code: "", param: "", isAboutContent: false };

/**
 * xAI says so with the status of a key without rights, in a text that names the operator's team and key (https://github.com/theopenco/llmgateway/pull/1785);
 * OpenRouter with the same status, and the flagged text beside it (https://openrouter.ai/docs/api-reference/errors).
 */
const safetyChecks = /^Content violates usage guidelines\b|\bSAFETY_CHECK_TYPE_/;

/** What FastAPI found wrong, each with its place: `body.store: Extra inputs are not permitted`. */
function detailOf(detail: unknown): string {
  if (!Array.isArray(detail)) return asText(detail);
  return asObjects(detail)
    .map(({ loc, msg }) => `${Array.isArray(loc) ? `${loc.join(".")}: ` : ""}${asText(msg)}`)
    .join("; ");
}

function wordOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value).slice(0, 200) : "";
}
