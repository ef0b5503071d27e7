/** Owns the reading of a whole reply. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Role, type Part, type PartSchema } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerateResponseSchema, type GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { ReplySummary } from "../../domain/adapter.ts";
import { asCount, asObject, asObjects, asText, isObject, parseVendorJson, textOf, type JsonObject } from "../../domain/translation/vendor-json.ts";
import { citedPieceOf, readCitation, type CitedPiece } from "./citations.ts";
import { readFinishReason } from "./finish-reason.ts";
import { readLogprob } from "./logprobs.ts";
import { readUsage } from "./usage.ts";
import { nativeDialect } from "./write-messages.ts";

type PartInit = Exclude<MessageInitShape<typeof PartSchema>, Part>;

/** A reply names no model; that is filled in by whoever knows which one was asked. Throws UPSTREAM_PROTOCOL when it is no reply. */
export function readReply(body: Uint8Array): { readonly response: GenerateResponse; readonly summary: ReplySummary } {
  const reply = parseVendorJson(textOf(body));
  const { message } = reply;
  if (!isObject(message)) throw new GatewayError("UPSTREAM_PROTOCOL", "Cohere's reply holds no message; try again, or use another target.");
  const summary = summarize(reply);
  const response = create(GenerateResponseSchema, {
    id: asText(reply["id"]),
    candidates: [
      {
        message: { role: Role.ASSISTANT, parts: readParts(message) },
        finishReason: readFinishReason(summary.finishReason),
        nativeFinishReason: summary.finishReason,
        logprobs: asObjects(reply["logprobs"]).map(readLogprob),
      },
    ],
    ...(summary.usage === undefined ? {} : { usage: summary.usage }),
  });
  return { response, summary };
}

export function summarizeReply(body: Uint8Array): ReplySummary {
  return summarize(parseVendorJson(textOf(body)));
}

/** Cohere's models write `null` for a tool without parameters. */
export function argumentsOf(written: string): string {
  return written === "" || written === "null" ? "{}" : written;
}

function summarize(reply: JsonObject): ReplySummary {
  return { usage: readUsage(reply["usage"]), finishReason: asText(reply["finish_reason"]), servedModel: "", serviceTier: "" };
}

function readParts(message: JsonObject): PartInit[] {
  const citations = asObjects(message["citations"]);
  const content = asObjects(message["content"]);
  const firstText = content.findIndex(({ type }) => type === "text");
  const plan = asText(message["tool_plan"]);
  const citedBy = (piece: CitedPiece, place: number | undefined): readonly JsonObject[] =>
    citations.filter((citation) => citedPieceOf(citation) === piece && (place === undefined || (asCount(citation["content_index"]) ?? firstText) === place));
  return [
    ...content.flatMap((block, place): PartInit[] => {
      if (block["type"] !== "text") return readBlock(block);
      const text = asText(block["text"]);
      // What speaks of the reasoning has no place in it; it stands with the first text.
      const ofThinking = place === firstText ? citedBy("thinking", undefined).map((citation) => readCitation(citation, undefined)) : [];
      return readText(text, [...ofThinking, ...citedBy("text", place).map((citation) => readCitation(citation, text))]);
    }),
    ...readText(plan, citedBy("plan", undefined).map((citation) => readCitation(citation, plan))),
    ...asObjects(message["tool_calls"]).map(readToolCall),
  ];
}

function readText(text: string, citations: ReturnType<typeof readCitation>[]): PartInit[] {
  return text === "" && citations.length === 0 ? [] : [{ kind: { case: "text", value: { text, citations } } }];
}

function readBlock(block: JsonObject): PartInit[] {
  if (block["type"] !== "thinking") return [{ kind: { case: "native", value: { dialect: nativeDialect, json: new TextEncoder().encode(JSON.stringify(block)) } } }];
  const text = asText(block["thinking"]);
  return text === "" ? [] : [{ kind: { case: "reasoning", value: { text } } }];
}

function readToolCall(call: JsonObject): PartInit {
  const called = asObject(call["function"]);
  return { kind: { case: "toolCall", value: { id: asText(call["id"]), name: asText(called["name"]), arguments: argumentsOf(asText(called["arguments"])) } } };
}
