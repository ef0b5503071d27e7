/** Owns the caller's own Chat Completions bytes on their way to the vendor: only the listed values are set in them. */
import { parseJsonObject, spliceJson, type JsonSplices } from "#platform/formats/json.ts";
import type { VendorRequest } from "../../../domain/adapter.ts";
import { chatCompletionsPath } from "./build-request.ts";
import { asObject, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import type { OpenaiQuirks } from "../compatible/quirks.ts";

/** Sets the model, the output maximum where there is one and, for a stream, asks for the usage, without which the ledger could only estimate. */
export function buildNativeRequest(body: Uint8Array, model: string, stream: boolean, quirks: Pick<OpenaiQuirks, "outputMaximumField">, outputMaximum?: number): VendorRequest {
  const options = stream ? streamOptionsOf(body) : {};
  const withholdUsage = stream && options["include_usage"] !== true;
  return {
    path: chatCompletionsPath,
    headers: {},
    body: spliceJson(body, { model, stream_options: withholdUsage ? { ...options, include_usage: true } : undefined, ...outputMaximumIn(body, quirks, outputMaximum) }),
    warnings: [],
    withholdUsage,
  };
}

const outputMaximumMembers = ["max_completion_tokens", "max_tokens"];

/** Where the caller has it, be it under both names; else under the name that the vendor knows. */
function outputMaximumIn(body: Uint8Array, { outputMaximumField }: Pick<OpenaiQuirks, "outputMaximumField">, outputMaximum: number | undefined): JsonSplices {
  if (outputMaximum === undefined) return {};
  const asked = parseJsonObject(body);
  const present = outputMaximumMembers.filter((name) => name in asked);
  return Object.fromEntries((present.length === 0 ? [outputMaximumField] : present).map((name) => [name, outputMaximum]));
}

/** Most bodies have no such member, and then need no parsing. */
function streamOptionsOf(body: Uint8Array): JsonObject {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  return source.includes("stream_options") || source.includes("\\u") ? asObject(parseJsonObject(body)["stream_options"]) : {};
}
