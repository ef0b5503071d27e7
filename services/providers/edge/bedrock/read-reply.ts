/** Owns the reading of a whole reply. */
import { create } from "@bufbuild/protobuf";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerateResponseSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary } from "../../domain/adapter.ts";
import { parseExactJson } from "../../domain/translation/exact-json.ts";
import type { Block } from "../../domain/translation/turns.ts";
import { listOf, objectOf, readBlock, textOf } from "./read-content.ts";
import { readStopReason } from "./stop-reason.ts";
import { readUsage } from "./usage.ts";

/** Throws UPSTREAM_PROTOCOL when it is no reply of Converse. */
export function readReply(body: Uint8Array): { readonly response: GenerateResponse; readonly summary: ReplySummary } {
  const reply = parseReply(body);
  const summary = summarize(reply);
  const response = create(GenerateResponseSchema, {
    model: summary.servedModel,
    candidates: [
      {
        message: { role: Role.ASSISTANT, parts: listOf(messageOf(reply)["content"]).map(readBlock) },
        ...readEnding(textOf(reply["stopReason"]), reply["additionalModelResponseFields"]),
      },
    ],
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
    ...(summary.serviceTier === "" ? {} : { serviceTier: summary.serviceTier }),
  });
  return { response, summary };
}

/** Throws UPSTREAM_PROTOCOL when it is no reply of Converse. */
export function summarizeReply(body: Uint8Array): ReplySummary {
  return summarize(parseReply(body));
}

/** Why a reply ended; the stop sequence that was met is one of the model's own fields. */
export function readEnding(stopReason: string, modelFields: unknown) {
  const stopSequence = objectOf(modelFields)["stop_sequence"];
  return { finishReason: readStopReason(stopReason), nativeFinishReason: stopReason, ...(typeof stopSequence === "string" ? { stopSequence } : {}) };
}

/** The model that a prompt router chose; else Bedrock names none. */
export function readServedModel(trace: unknown): string {
  return textOf(objectOf(objectOf(trace)["promptRouter"])["invokedModelId"]);
}

/** The tier that was served. */
export function readServiceTier(serviceTier: unknown): string {
  return textOf(objectOf(serviceTier)["type"]);
}

function summarize(reply: Block): ReplySummary {
  return {
    usage: readUsage(objectOf(reply["usage"])),
    finishReason: textOf(reply["stopReason"]),
    servedModel: readServedModel(reply["trace"]),
    serviceTier: readServiceTier(reply["serviceTier"]),
  };
}

function messageOf(reply: Block): Block {
  return objectOf(objectOf(reply["output"])["message"]);
}

function parseReply(body: Uint8Array): Block {
  let reply: Block;
  try {
    reply = objectOf(parseExactJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")));
  } catch (error) {
    throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock's reply is not valid JSON.", { cause: error });
  }
  if (!Array.isArray(messageOf(reply)["content"])) throw new GatewayError("UPSTREAM_PROTOCOL", "Bedrock's reply is not a message: it has no content.");
  return reply;
}
