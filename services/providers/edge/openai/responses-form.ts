/** Owns the dialect `openai-responses` at the vendor: a caller's own Responses request, and its reply, untouched. */
import { parseJsonObject, spliceJson } from "#platform/json.ts";
import { GatewayError } from "#platform/errors.ts";
import type { NativeForm, VendorRequest } from "../../domain/adapter.ts";
import { parseVendorJson, textOf } from "./json-access.ts";
import { createResponsesStreamReader } from "./responses-stream-reader.ts";
import { summarizeResponse } from "./responses-summary.ts";

export const responsesDialect = "openai-responses";

export const responsesForm: NativeForm = {
  buildNativeRequest,
  summarizeReply: (body) => summarizeResponse(parseVendorJson(textOf(body))),
  createStreamReader: createResponsesStreamReader,
};

/** Sets the model; the usage stands in every stream unasked. */
function buildNativeRequest(body: Uint8Array, model: string): VendorRequest {
  refuseBackground(body);
  return { path: "/responses", headers: {}, body: spliceJson(body, { model }), warnings: [], withholdUsage: false };
}

/** What is generated after the reply to the request would be billed, and stand in no ledger. */
function refuseBackground(body: Uint8Array): void {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const mayAsk = source.includes("background") || source.includes("\\u");
  if (!mayAsk || parseJsonObject(body)["background"] !== true) return;
  const description = "must be false: Weir keeps no responses that could be fetched later; use stream for long ones";
  throw new GatewayError("INVALID_REQUEST", `background ${description}.`, { fieldViolations: [{ field: "background", description }] });
}
