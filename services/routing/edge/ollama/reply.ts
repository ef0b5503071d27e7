/** Owns what replies and pieces of streamed ones have in common: the two shapes, the finish, usage and probabilities. */
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Part, ToolCallPart } from "#gen/weir/inference/v1/content_pb.ts";
import { FinishReason, type TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { timeOfId } from "#platform/ids.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { writeBase64 } from "../dialect-parts/base64.ts";
import { parseArguments } from "../dialect-parts/tool-arguments.ts";

/** What a reply, or a piece of one, says. */
export interface Said {
  readonly text?: string;
  readonly thinking?: string;
  readonly images?: readonly string[];
  readonly calls?: readonly JsonObject[];
}

/** The members that hold what was said: /api/chat has a message, /api/generate a text. */
export type Shape = (said: Said) => JsonObject;

export const chatShape: Shape = ({ text = "", thinking = "", images = [], calls = [] }) => ({
  message: {
    role: "assistant",
    content: text,
    ...(thinking === "" ? {} : { thinking }),
    ...(images.length === 0 ? {} : { images }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  },
});

export const generateShape: Shape = ({ text = "", thinking = "", images = [], calls = [] }) => ({
  response: text,
  ...(thinking === "" ? {} : { thinking }),
  ...(images.length === 0 ? {} : { images }),
  ...(calls.length === 0 ? {} : { tool_calls: calls }),
});

export function writeIdentity(reply: { readonly model: string; readonly requestId: string; readonly createTime?: Timestamp | undefined }): JsonObject {
  const created = reply.createTime === undefined ? new Date(timeOfId(reply.requestId) ?? 0) : timestampDate(reply.createTime);
  return { model: reply.model, created_at: created.toISOString() };
}

/** A part's contribution. What Ollama has no place for becomes text that says so. */
export function sayPart({ kind }: Part): Said {
  switch (kind.case) {
    case "text":
    case "refusal":
      return { text: kind.value.text };
    case "reasoning":
      return { thinking: kind.value.text };
    case "image":
      return kind.value.media?.source.case === "data" ? { images: [writeBase64(kind.value.media.source.value)] } : placeholder("an image that stands elsewhere");
    case "audio":
      return kind.value.transcript === undefined ? placeholder("sound") : { text: kind.value.transcript };
    case "native":
      return placeholder(`a piece in the form of "${kind.value.dialect}"`);
    default:
      return placeholder(`a part of the kind "${kind.case ?? "unknown"}"`);
  }
}

function placeholder(what: string): Said {
  return { text: `[The reply holds ${what}, which this API cannot carry.]` };
}

/** `index` is the call's place among the calls of its reply. */
export function writeCall(call: Pick<ToolCallPart, "id" | "name" | "arguments" | "custom">, index: number): JsonObject {
  return { ...(call.id === "" ? {} : { id: call.id }), function: { index, name: call.name, arguments: parseArguments(call) } };
}

/** How a candidate ended, as a whole reply and a streamed one both say it. */
export interface Ending {
  readonly finishReason: FinishReason;
  readonly nativeFinishReason: string;
}

/** Ollama's own words are two; for what they do not say there is a word of types'. */
export function writeDoneReason({ finishReason, nativeFinishReason }: Ending): string {
  if (finishReason === FinishReason.OTHER || finishReason === FinishReason.PAUSE) return nativeFinishReason || "stop";
  return doneReasons.get(finishReason) ?? "stop";
}

const doneReasons: ReadonlyMap<FinishReason, string> = new Map([
  [FinishReason.LENGTH, "length"],
  [FinishReason.CONTENT_FILTER, "content_filter"],
  [FinishReason.REFUSAL, "refusal"],
]);

/** Ollama counts what went in and what came out; none when nothing was reported, as a zero would be a statement. */
export function writeUsage(usage: Usage | undefined): JsonObject {
  if (usage === undefined) return {};
  return { prompt_eval_count: sumOf(usage, inputMeters), eval_count: sumOf(usage, outputMeters) };
}

/** The same for embeddings, which have no output. */
export function writeEmbeddingUsage(usage: Usage | undefined): JsonObject {
  return usage === undefined ? {} : { prompt_eval_count: sumOf(usage, inputMeters) };
}

const inputMeters: readonly Meter[] = [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS];
const outputMeters: readonly Meter[] = [Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS];

function sumOf({ quantities }: Usage, meters: readonly Meter[]): number {
  return Number(quantities.filter(({ meter }) => meters.includes(meter)).reduce((sum, { quantity }) => sum + quantity, 0n));
}

export function writeLogprobs(logprobs: readonly TokenLogprob[]): JsonObject {
  if (logprobs.length === 0) return {};
  return { logprobs: logprobs.map((logprob) => ({ ...writeToken(logprob), ...(logprob.top.length === 0 ? {} : { top_logprobs: logprob.top.map(writeToken) }) })) };
}

function writeToken({ token, logprob, tokenBytes }: TokenLogprob): JsonObject {
  return { token, logprob, ...(tokenBytes.length === 0 ? {} : { bytes: [...tokenBytes] }) };
}
