/** Owns the dialect `openai-responses` at the vendor: a caller's own Responses request, and its reply, untouched. */
import { parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import { GatewayError } from "#platform/errors.ts";
import type { NativeForm, ReplySummary, VendorRequest } from "../../../domain/adapter.ts";
import { asObject, asText, parseVendorJson, textOf, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readResponsesError } from "./failed-response.ts";
import { responsesPath } from "./build-request.ts";
import { createNativeStreamReader } from "./native-stream-reader.ts";
import { summarizeResponse } from "./reply-summary.ts";

export const responsesForm: NativeForm = {
  buildNativeRequest,
  summarizeReply,
  createStreamReader: createNativeStreamReader,
};

/** Begins what Weir's door writes as `encrypted_content` for replies of other vendors. */
const prefixOfWeir = "weir1.";

/** Throws what a Response failed with. */
function summarizeReply(body: Uint8Array): ReplySummary {
  const response = parseVendorJson(textOf(body));
  if (response["status"] === "failed") throw readResponsesError(asObject(response["error"]));
  return summarizeResponse(response);
}

/** Sets the model, and the output maximum where there is one; the usage stands in every stream unasked. */
function buildNativeRequest(body: Uint8Array, model: string, _stream: boolean, outputMaximum?: number): VendorRequest {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // Most bodies hold neither, and then need no parsing.
  const needsReading = ['"background"', `"${prefixOfWeir}`, "\\u"].some((text) => source.includes(text));
  const input = needsReading ? readInput(parseJsonObject(body)) : undefined;
  return { path: responsesPath, headers: {}, body: spliceJson(body, { model, input, max_output_tokens: outputMaximum }), warnings: [], withholdUsage: false };
}

/** The input without what another vendor reasoned earlier in the conversation, which OpenAI would refuse; undefined where there is nothing of it. */
function readInput(request: JsonObject): readonly unknown[] | undefined {
  refuseBackground(request);
  const { input } = request;
  if (!Array.isArray(input)) return undefined;
  const readable = input.filter((item) => !asText(asObject(item)["encrypted_content"]).startsWith(prefixOfWeir));
  return readable.length === input.length ? undefined : readable;
}

/** What is generated after the reply to the request would be billed, and stand in no ledger. */
function refuseBackground(request: JsonObject): void {
  if (request["background"] !== true) return;
  const description = "must be false: Weir keeps no responses that could be fetched later; use stream for long ones";
  throw new GatewayError("INVALID_REQUEST", `background ${description}.`, { fieldViolations: [{ field: "background", description }] });
}
