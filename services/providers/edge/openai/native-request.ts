/** Owns the caller's own Chat Completions bytes on their way to the vendor: only the listed values are set in them. */
import { parseJsonObject, spliceJson } from "#platform/json.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { chatCompletionsPath } from "./build-request.ts";
import { asObject, type JsonObject } from "../../domain/vendor-json.ts";

/** Sets the model and, for a stream, asks for the usage, without which the ledger could only estimate. */
export function buildNativeRequest(body: Uint8Array, model: string, stream: boolean): VendorRequest {
  const options = stream ? streamOptionsOf(body) : {};
  const withholdUsage = stream && options["include_usage"] !== true;
  return {
    path: chatCompletionsPath,
    headers: {},
    body: spliceJson(body, { model, stream_options: withholdUsage ? { ...options, include_usage: true } : undefined }),
    warnings: [],
    withholdUsage,
  };
}

/** Most bodies have no such member, and then need no parsing. */
function streamOptionsOf(body: Uint8Array): JsonObject {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return source.includes("stream_options") || source.includes("\\u") ? asObject(parseJsonObject(body)["stream_options"]) : {};
}
