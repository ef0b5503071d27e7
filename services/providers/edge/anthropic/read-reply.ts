/** Owns the reading of a whole reply. */
import { create } from "@bufbuild/protobuf";
import { PartSchema, Role, type Part } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerateResponseSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary } from "../../domain/adapter.ts";
import { parseExactJson } from "../../domain/translation/exact-json.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { listOf, readBlock, textOf } from "./read-content.ts";
import { readStopReason } from "./stop-reason.ts";
import { priceTierOf, readUsage, type UsageJson } from "./usage.ts";

/** A Message, as far as it is looked at. */
export interface MessageJson extends Block {
  readonly usage?: UsageJson | null;
}

/** Throws UPSTREAM_PROTOCOL when it is no Message. */
export function readReply(body: Uint8Array): { readonly response: GenerateResponse; readonly summary: ReplySummary } {
  const message = parseMessage(body);
  const summary = summarize(message);
  const stopReason = textOf(message["stop_reason"]);
  const serviceTier = textOf(message.usage?.service_tier);
  const response = create(GenerateResponseSchema, {
    id: textOf(message["id"]),
    model: summary.servedModel,
    candidates: [
      {
        message: { role: Role.ASSISTANT, parts: [...listOf(message["content"]).map(readBlock), ...readRefusal(message["stop_details"])] },
        finishReason: readStopReason(stopReason),
        nativeFinishReason: stopReason,
        ...(typeof message["stop_sequence"] === "string" ? { stopSequence: message["stop_sequence"] } : {}),
      },
    ],
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
    ...(serviceTier === "" ? {} : { serviceTier }),
  });
  return { response, summary };
}

/** Throws UPSTREAM_PROTOCOL when it is no Message. */
export function summarizeReply(body: Uint8Array): ReplySummary {
  return summarize(parseMessage(body));
}

/** Why the model declined, where Anthropic explains it. */
export function readRefusal(stopDetails: unknown): Part[] {
  const { type, explanation } = (stopDetails ?? {}) as Block;
  if (type !== "refusal" || typeof explanation !== "string") return [];
  return [create(PartSchema, { kind: { case: "refusal", value: { text: explanation } } })];
}

function summarize(message: MessageJson): ReplySummary {
  return {
    usage: readUsage(message.usage),
    finishReason: textOf(message["stop_reason"]),
    servedModel: textOf(message["model"]),
    serviceTier: priceTierOf(message.usage),
  };
}

function parseMessage(body: Uint8Array): MessageJson {
  let message: unknown;
  try {
    message = parseExactJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch (error) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Anthropic's reply is not valid JSON.", { cause: error });
  }
  if (typeof message !== "object" || message === null || !Array.isArray((message as Block)["content"])) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Anthropic's reply is not a message: it has no content.");
  }
  return message as MessageJson;
}
