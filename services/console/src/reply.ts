/** Owns a model's reply as the page has it: made of the events of its stream, and never longer than the page holds. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { FinishReason, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import { StreamGenerateResponseSchema, type GenerateResponse, type PartDelta, type PartStart, type StreamGenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { CallFailure } from "./failure.ts";

export type ReplyEvent = StreamGenerateResponse["event"];
export type Ending = "answered" | "stopped" | "failed";

export interface Reply {
  readonly parts: readonly ReplyPart[];
  /** Whether there was more than the page holds. */
  readonly isCut: boolean;
  /** Empty until it is known. */
  readonly requestId: string;
  /** As `provider/model`; empty until somebody answers. */
  readonly target: string;
  /** By the vendor's name. */
  readonly model: string;
  /** What `x-weir-cache` says: `hit`, `miss`; empty where nothing is cached. */
  readonly cacheState: string;
  readonly warnings: readonly Warning[];
  readonly finishReason: FinishReason;
  /** Undefined until the end, and where it is unreported. */
  readonly usage: Usage | undefined;
  /** From the sending to the first word, as this page saw it. */
  readonly firstWordMs: number | undefined;
  readonly totalMs: number | undefined;
  /** Undefined while it grows. */
  readonly ending: Ending | undefined;
  readonly failure: CallFailure | undefined;
}

export interface ReplyPart {
  /** Its place in the message; parts may grow at the same time. */
  readonly index: number;
  readonly kind: Exclude<Part["kind"]["case"], undefined>;
  /** Of a tool call, the tool's. */
  readonly name: string;
  readonly text: string;
}

export const mostReplyCharacters = 100_000;
const mostParts = 100;

export const noReply: Reply = {
  parts: [],
  isCut: false,
  requestId: "",
  target: "",
  model: "",
  cacheState: "",
  warnings: [],
  finishReason: FinishReason.UNSPECIFIED,
  usage: undefined,
  firstWordMs: undefined,
  totalMs: undefined,
  ending: undefined,
  failure: undefined,
};

/** The reply with what this event adds to it; of several candidates, the first is followed. */
export function grown(reply: Reply, event: ReplyEvent, elapsedMs: number): Reply {
  switch (event.case) {
    case "start": {
      const { requestId, target, model, warnings, usage } = event.value;
      return { ...reply, requestId, target, model, warnings, usage };
    }
    case "partStart":
      return event.value.candidateIndex === 0 ? withPart(reply, event.value, elapsedMs) : reply;
    case "partDelta":
      return event.value.candidateIndex === 0 ? withText(reply, event.value, elapsedMs) : reply;
    case "candidateEnd":
      return event.value.candidateIndex === 0 ? { ...reply, finishReason: event.value.finishReason } : reply;
    case "end":
      return { ...reply, usage: event.value.usage };
    // What a newer Weir may tell beside these is nothing that this page shows.
    default:
      return reply;
  }
}

/** A whole reply, as the stream of it would have told it. */
export function eventsOf({ requestId, target, model, warnings, candidates: [candidate], usage }: GenerateResponse): ReplyEvent[] {
  const parts = candidate?.message?.parts ?? [];
  const events: MessageInitShape<typeof StreamGenerateResponseSchema>["event"][] = [
    { case: "start", value: { requestId, target, model, warnings } },
    ...parts.map((part, partIndex) => ({ case: "partStart" as const, value: { partIndex, part } })),
    { case: "candidateEnd", value: { finishReason: candidate?.finishReason ?? FinishReason.UNSPECIFIED } },
    { case: "end", value: usage === undefined ? {} : { usage } },
  ];
  return events.map((event) => create(StreamGenerateResponseSchema, { event: event! }).event);
}

/** What the model said, without its reasoning and what it asked for: this is sent again with the next prompt. */
export function textOfReply({ parts }: Reply): string {
  return parts.filter(({ kind }) => kind === "text" || kind === "refusal").map(({ text }) => text).join("");
}

function withPart(reply: Reply, { partIndex, part }: PartStart, elapsedMs: number): Reply {
  const kind = part?.kind;
  if (kind?.case === undefined) return reply;
  if (reply.parts.length >= mostParts) return { ...reply, isCut: true };
  const begun = { index: partIndex, kind: kind.case, name: kind.case === "toolCall" ? kind.value.name : "", text: "" };
  return withMore({ ...reply, parts: [...reply.parts, begun] }, partIndex, wordsOf(kind), elapsedMs);
}

function withText(reply: Reply, { partIndex, delta }: PartDelta, elapsedMs: number): Reply {
  const isWords = delta.case === "text" || delta.case === "arguments" || delta.case === "transcript";
  return isWords ? withMore(reply, partIndex, delta.value, elapsedMs) : reply;
}

function withMore(reply: Reply, partIndex: number, more: string, elapsedMs: number): Reply {
  if (more === "") return reply;
  const room = mostReplyCharacters - charactersOf(reply);
  const parts = reply.parts.map((part) => (part.index === partIndex ? { ...part, text: part.text + more.slice(0, room) } : part));
  return { ...reply, parts, isCut: reply.isCut || more.length > room, firstWordMs: reply.firstWordMs ?? elapsedMs };
}

export function charactersOf({ parts }: Reply): number {
  return parts.reduce((sum, { text }) => sum + text.length, 0);
}

/** What a part says as it begins: all of it where the reply came whole. */
function wordsOf(kind: Part["kind"]): string {
  if (kind.case === "text" || kind.case === "reasoning" || kind.case === "refusal") return kind.value.text;
  if (kind.case === "toolCall") return kind.value.arguments;
  return kind.case === "audio" ? (kind.value.transcript ?? "") : "";
}
