/** Owns the meaning of Bedrock's errors. */
import { GatewayError } from "#platform/errors.ts";
import { retryAfterMs } from "#platform/http/retry-after.ts";
import type { VendorReply } from "../../domain/adapter.ts";

/** The longest part of a vendor's message that is passed on. */
const maximumMessageLength = 2000;

/** The error that a reply with a status outside 2xx means. */
export function readError(reply: VendorReply): GatewayError {
  const { type, message } = parseError(Buffer.from(reply.body).toString("utf8"));
  return toError(reply.status, nameOf(reply.headers["x-amzn-errortype"] ?? type), message, retryAfterMs(reply.headers));
}

/** The error that an exception in a stream means. */
export function readStreamedError(type: string, data: string): GatewayError {
  const name = nameOf(type);
  return toError(streamedStatuses.get(name) ?? 500, name, parseError(data).message, undefined);
}

/** Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html; an event carries no status of its own. */
const streamedStatuses: ReadonlyMap<string, number> = new Map([
  ["ValidationException", 400],
  ["ModelTimeoutException", 408],
  ["ModelStreamErrorException", 424],
  ["ThrottlingException", 429],
  ["InternalServerException", 500],
  ["ServiceUnavailableException", 503],
]);

/**
 * What is wrong with the gateway's account; some come with status 400 or 404. Sources:
 * https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html and
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html, where names stand with and without "Exception".
 */
const accountErrors: ReadonlySet<string> = new Set([
  "AccessDenied",
  "BadCScore",
  "ExpiredToken",
  "FTUFormNotFilled",
  "IncompleteSignature",
  "InvalidClientTokenId",
  "InvalidSignature",
  "MissingAuthenticationToken",
  "NotAuthorized",
  "OptInRequired",
  "RequestExpired",
  "SignatureDoesNotMatch",
  "UnrecognizedClient",
]);

/** A quota of the account comes with status 400: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html */
const rateErrors: ReadonlySet<string> = new Set(["Throttling", "ServiceQuotaExceeded", "TooManyRequests"]);

/** The model's failures, which AWS says to retry, though their statuses are 408, 424 and 429. */
const modelErrors: ReadonlySet<string> = new Set(["ModelError", "ModelNotReady", "ModelStreamError", "ModelTimeout"]);

function toError(status: number, type: string, message: string, retryAfterMs: number | undefined): GatewayError {
  const options = { metadata: { status: String(status), type }, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  const kind = type.replace(/Exception$/, "");
  // What AWS says of the account is the operator's business, and quotes what was signed: its text never goes on to callers.
  if (accountErrors.has(kind) || (status >= 401 && status <= 403)) {
    return new GatewayError("UPSTREAM_UNAUTHENTICATED", `Bedrock refused the gateway's account (${status}); its operator must check the key, its permissions and the access to the model.`, options);
  }
  if (modelErrors.has(kind) || status === 408 || status === 424 || status >= 500) {
    return new GatewayError("UPSTREAM_UNAVAILABLE", `Bedrock failed with status ${status}${type === "" ? "" : ` (${type})`}.`, options);
  }
  if (rateErrors.has(kind) || status === 429) {
    return new GatewayError("UPSTREAM_RATE_LIMITED", "Bedrock limits the rate of the gateway's account; try again later.", options);
  }
  if (status >= 400) {
    return new GatewayError("UPSTREAM_REJECTED", message === "" ? `Bedrock refused the request with status ${status}.` : message.slice(0, maximumMessageLength), options);
  }
  return new GatewayError("UPSTREAM_PROTOCOL", `Bedrock answered with status ${status}, which is neither a reply nor an error.`, options);
}

/** The bare name: in a header an address can follow it, in a body a namespace go before it, and a stream writes its first letter small. */
function nameOf(type: string): string {
  const name = type.split(":")[0]!.split("#").at(-1)!;
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function parseError(text: string): { readonly type: string; readonly message: string } {
  try {
    const error = JSON.parse(text) as { readonly [name: string]: unknown };
    return { type: firstText(error["__type"], error["code"]), message: firstText(error["message"], error["Message"]) };
  } catch {
    return { type: "", message: "" };
  }
}

function firstText(...values: readonly unknown[]): string {
  return values.find((value): value is string => typeof value === "string") ?? "";
}
