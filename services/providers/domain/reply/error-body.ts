/** Owns telling an error that comes with a status of success from the reply that it stands in for: OpenRouter, and proxies before other vendors, have said 200 before they know. */
import type { GatewayError } from "#platform/errors.ts";
import type { VendorAdapter } from "../adapter.ts";
import { asObject, asObjects, isObject, tryParseJson, type JsonObject } from "../translation/vendor-json.ts";

/**
 * Throws the error that the body says, of the whole or of one of its choices, which then is not whole: as in a stream, what came before counts no more.
 * A choice beside the error of the whole counts more; whether a Response failed is for those who read it.
 */
export function refuseErrorBody(body: Buffer, { readError }: Pick<VendorAdapter, "readError">): void {
  // Most do not have such a member, and need not be read once more; of those of Responses, it is null.
  if (!body.includes('"error"') || !/"error"\s*:\s*["{]|:\s*"error"/.test(body.toString("latin1"))) return;
  const said = asObject(tryParseJson(body));
  const choices = asObjects(said["choices"]);
  const broken = choices.find((choice) => isObject(choice["error"]) || choice["finish_reason"] === "error");
  if (broken !== undefined) throw brokenChoice(asObject(broken["error"]), readError);
  const { error, object } = said;
  const isError = isObject(error) || (typeof error === "string" && error !== "");
  if (!isError || object === "response" || choices.length > 0) return;
  throw readError({ status: statusOf(said, asObject(error)), headers: {}, body });
}

function brokenChoice(error: JsonObject, readError: VendorAdapter["readError"]): GatewayError {
  return readError({ status: statusOf({}, error), headers: {}, body: Buffer.from(JSON.stringify({ error })) });
}

function statusOf(said: JsonObject, error: JsonObject): number {
  const named = [error["code"], error["status"], error["status_code"], said["status"], said["status_code"], said["code"]].map(Number).find(isErrorStatus);
  return named ?? statusByWord(error);
}

function isErrorStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 400 && status < 600;
}

/** Of an error that is a number or a word: OpenRouter and vLLM give the status as the code; OpenAI and Anthropic give words. */
export function statusOfError({ type, code }: { readonly type: string; readonly code: string }): number {
  const status = Number(code);
  return isErrorStatus(status) ? status : statusByWord({ type, code });
}

function statusByWord({ type, code }: JsonObject): number {
  if (code === "rate_limit_exceeded" || type === "rate_limit_error" || type === "insufficient_quota") return 429;
  if (code === "invalid_api_key" || type === "authentication_error") return 401;
  return type === "invalid_request_error" ? 400 : 500;
}
