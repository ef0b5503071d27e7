/** Owns the reading of a whole Response into types. */
import { create } from "@bufbuild/protobuf";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason } from "#gen/weir/inference/v1/generation_pb.ts";
import { GenerateResponseSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary } from "../../../domain/adapter.ts";
import type { PartInit } from "../../../domain/translation/candidate-events.ts";
import { finishReasonOf, type FinishWords } from "../../../domain/translation/finish-word.ts";
import { asObject, asObjects, asText, parseVendorJson, textOf, type JsonObject } from "../../../domain/translation/vendor-json.ts";
import { readSeconds } from "../../../domain/translation/vendor-time.ts";
import { readTokens } from "../chat/logprobs.ts";
import { readAnnotation } from "./citations.ts";
import { readResponsesError } from "./failed-response.ts";
import { responsesDialect } from "./build-input.ts";
import { readReasoningItem } from "./reasoning-signature.ts";
import { summarizeResponse } from "./reply-summary.ts";

/**
 * Throws what a Response failed with, and UPSTREAM_PROTOCOL when the body is none.
 * @param origin the vendor, as signatures name it
 */
export function readResponse(body: Uint8Array, origin: string): { readonly response: GenerateResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  if (reply["status"] === "failed") throw readResponsesError(asObject(reply["error"]));
  if (!Array.isArray(reply["output"])) throw new GatewayError("UPSTREAM_PROTOCOL", "The vendor's reply holds no output; try again, or use another target.");
  const items = asObjects(reply["output"]);
  const summary = summarizeResponse(reply);
  const parts = items.flatMap((item) => readItem(item, origin));
  const createTime = readSeconds(reply["created_at"]);
  const response = create(GenerateResponseSchema, {
    id: asText(reply["id"]),
    model: summary.servedModel,
    candidates: [
      {
        message: { role: Role.ASSISTANT, parts },
        finishReason: readEnding(summary.finishReason, parts.some(({ kind }) => kind?.case === "toolCall")),
        nativeFinishReason: summary.finishReason,
        logprobs: items.flatMap(({ content }) => asObjects(content)).flatMap(({ logprobs }) => readTokens(logprobs)),
      },
    ],
    ...(createTime === undefined ? {} : { createTime }),
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
    ...(summary.serviceTier === "" ? {} : { serviceTier: summary.serviceTier }),
  });
  return { response, summary };
}

/** Whether the model waits for tools is not said. */
export function readEnding(word: string, hasToolCalls: boolean): FinishReason {
  const reason = finishReasonOf(word, meanings);
  return reason === FinishReason.STOP && hasToolCalls ? FinishReason.TOOL_CALLS : reason;
}

const meanings: FinishWords = new Map([
  ["completed", FinishReason.STOP],
  ["max_output_tokens", FinishReason.LENGTH],
  ["content_filter", FinishReason.CONTENT_FILTER],
]);

function readItem(item: JsonObject, origin: string): PartInit[] {
  switch (item["type"]) {
    case "message":
      return asObjects(item["content"]).flatMap(readContent);
    case "reasoning": {
      const reasoning = readReasoningItem(item, origin);
      return reasoning.text === "" && reasoning.signature === "" ? [] : [{ kind: { case: "reasoning", value: reasoning } }];
    }
    case "function_call":
    case "custom_tool_call":
      return [{ kind: { case: "toolCall", value: { ...readCall(item), arguments: writtenIn(item) } } }];
    default:
      return [readForeign(item)];
  }
}

function readContent(content: JsonObject): PartInit[] {
  switch (content["type"]) {
    case "output_text": {
      const text = asText(content["text"]);
      const citations = asObjects(content["annotations"]).map(readAnnotation);
      return text === "" && citations.length === 0 ? [] : [{ kind: { case: "text", value: { text, citations } } }];
    }
    case "refusal":
      return [{ kind: { case: "refusal", value: { text: asText(content["refusal"]) } } }];
    default:
      return [];
  }
}

/** A call, without what the model wrote. */
export function readCall(item: JsonObject): { readonly id: string; readonly name: string; readonly custom: boolean } {
  return { id: asText(item["call_id"]), name: asText(item["name"]), custom: item["type"] === "custom_tool_call" };
}

export function writtenIn(call: JsonObject): string {
  return asText(call[call["type"] === "custom_tool_call" ? "input" : "arguments"]);
}

/** What only speakers of this dialect know, such as the calls of OpenAI's own tools. */
export function readForeign(item: JsonObject): PartInit {
  return { kind: { case: "native", value: { dialect: responsesDialect, json: new TextEncoder().encode(JSON.stringify(item)) } } };
}
