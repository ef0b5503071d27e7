/**
 * Owns whether a translated generation goes to OpenAI as Responses or as Chat Completions. The rule: to a model that reasons, unless its
 * reasoning is turned off or something is asked that Chat Completions alone has, as Responses, which take reasoning back and
 * reason beside tools; else as Chat Completions.
 */
import type { Message, Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { isAskedFor, type Option } from "../../../domain/translation/asked-options.ts";
import { isTurnedOff } from "../chat/build-reasoning.ts";

export function goesAsResponse(generation: Generation, model: string): boolean {
  return reasoningModels.test(model) && !isTurnedOff(generation.reasoning) && !needsChat(generation);
}

/**
 * By name, as others tell them apart (`getOpenAILanguageModelCapabilities` of https://github.com/vercel/ai); a fine-tuned model and a
 * deployment have the name in theirs. Those for chats and searches take no encrypted reasoning, or are not in Responses at all.
 */
const reasoningModels = /(?:^|[^a-z0-9])(?:o[1-9]|gpt-(?:[5-9]|1\d)(?!\d)(?![\w.-]*-(?:chat|search)))/;

/** Refused below: "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16", https://github.com/earendil-works/pi/issues/6265 */
const smallestOutputMaximum = 16n;

const chatOptions: readonly Option[] = ["candidate_count", "sampling.seed", "sampling.presence_penalty", "sampling.frequency_penalty", "sampling.logit_bias", "modalities", "audio", "store"];

function needsChat(generation: Generation): boolean {
  const { stopSequences, maxOutputTokens, messages, tools } = generation;
  return (
    chatOptions.some((option) => isAskedFor(option, generation)) ||
    stopSequences.length > 0 ||
    (maxOutputTokens !== undefined && maxOutputTokens < smallestOutputMaximum) ||
    tools.some(isChatNative) ||
    messages.some(holdsChat)
  );
}

/** Responses know no speakers by name and hear no sound. */
function holdsChat({ name, parts }: Message): boolean {
  return name !== undefined || parts.some((part) => part.kind.case === "audio" || isChatNative(part));
}

function isChatNative({ kind }: { readonly kind: Part["kind"] | Generation["tools"][number]["kind"] }): boolean {
  return kind.case === "native" && kind.value.dialect === "openai";
}
