/** Owns whether a target is known not to have what a request needs; what is not known speaks against no target. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation, ModelFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Target } from "./plan.ts";

/** What a request needs of a model, as far as it can be told. */
export interface Needs {
  readonly images: boolean;
  /** Sounds without their transcript. */
  readonly sounds: boolean;
  readonly tools: boolean;
  /** Of text alone, rather too few than too many. */
  readonly inputTokens: number;
}

export const noNeeds: Needs = { images: false, sounds: false, tools: false, inputTokens: 0 };

export function needsOf({ messages, tools }: Generation): Needs {
  const parts = partsOf(messages);
  return {
    images: parts.some(({ kind }) => kind.case === "image"),
    sounds: parts.some(({ kind }) => kind.case === "audio" && kind.value.transcript === undefined),
    tools: tools.length > 0,
    inputTokens: Math.floor(lengthOf(parts) / charactersPerToken),
  };
}

/** Of all text of its messages, in characters. */
export function textLengthOf({ messages }: Pick<Generation, "messages">): number {
  return lengthOf(partsOf(messages));
}

export function factsOf({ provider, model }: Target): ModelFacts | undefined {
  return provider.modelFacts[model];
}

/** Throws UNSUPPORTED_FIELD that says what the target has not. */
export function refuseUnfit(target: Target, needs: () => Needs): void {
  const facts = factsOf(target);
  if (facts === undefined) return;
  const lack = lackOf(facts, needs());
  if (lack === undefined) return;
  throw new GatewayError("UNSUPPORTED_FIELD", `It was passed over: ${lack} (${facts.source}).`, { metadata: { target: target.name } });
}

/** A token has seldom more: English has four to five, and other languages fewer. */
const charactersPerToken = 6;

function lackOf({ inputModalities, tools, contextWindowTokens }: ModelFacts, needs: Needs): string | undefined {
  const reads = (modality: Modality): boolean => inputModalities.length === 0 || inputModalities.includes(modality);
  if (needs.images && !reads(Modality.IMAGE)) return "it reads no images";
  if (needs.sounds && !reads(Modality.AUDIO)) return "it reads no sound";
  if (needs.tools && tools === false) return "it cannot ask for tools";
  if (contextWindowTokens !== undefined && needs.inputTokens > Number(contextWindowTokens)) return `it reads at most ${contextWindowTokens} tokens, and the request has about ${needs.inputTokens}`;
  return undefined;
}

function partsOf(messages: Generation["messages"]): Part[] {
  return messages.flatMap((message) => message.parts.flatMap(flatten));
}

function lengthOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + textLength(part), 0);
}

function flatten(part: Part): Part[] {
  return part.kind.case === "toolResult" ? part.kind.value.parts : [part];
}

function textLength({ kind }: Part): number {
  switch (kind.case) {
    case "text":
    case "reasoning":
    case "refusal":
      return kind.value.text.length;
    case "toolCall":
      return kind.value.arguments.length;
    default:
      return 0;
  }
}
