/** Owns which options of a generation a caller asks for: one at its neutral value asks for nothing. */
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Warnings } from "./warnings.ts";

/** By the field's name in the types, whether it asks for something. */
const isAsked = {
  "sampling.seed": ({ sampling }) => sampling?.seed !== undefined,
  "sampling.presence_penalty": ({ sampling }) => (sampling?.presencePenalty ?? 0) !== 0,
  "sampling.frequency_penalty": ({ sampling }) => (sampling?.frequencyPenalty ?? 0) !== 0,
  "sampling.logit_bias": ({ sampling }) => Object.keys(sampling?.logitBias ?? {}).length > 0,
  parallel_tool_calls: ({ parallelToolCalls }) => parallelToolCalls === false,
  logprobs: ({ logprobs }) => logprobs,
  top_logprobs: ({ topLogprobs }) => (topLogprobs ?? 0) > 0,
  service_tier: ({ serviceTier }) => serviceTier !== undefined,
  modalities: ({ modalities }) => modalities.some((modality) => modality !== Modality.TEXT),
  audio: ({ audio }) => audio !== undefined,
  end_user: ({ endUser }) => endUser !== undefined,
  metadata: ({ metadata }) => Object.keys(metadata).length > 0,
  store: ({ store }) => store === true,
  verbosity: ({ verbosity }) => verbosity !== undefined,
  candidate_count: ({ candidateCount }) => (candidateCount ?? 1) > 1,
  prompt_cache_key: ({ promptCacheKey }) => promptCacheKey !== undefined,
} satisfies Readonly<Record<string, (generation: Generation) => boolean>>;

export type Option = keyof typeof isAsked;

export function isAskedFor(option: Option, generation: Generation): boolean {
  return isAsked[option](generation);
}

/** Warns of those of the options that are asked for, where the vendor has nothing like them, or one reply alone. */
export function warnOfOptions(vendor: string, lacking: readonly Option[], generation: Generation, warnings: Warnings): void {
  for (const option of lacking) if (isAskedFor(option, generation)) warnings.add(option, `${vendor} ${option === "candidate_count" ? "makes one reply per request; there is one" : "has nothing like it; it is left out"}.`);
}
