/** Owns the way from Weir's disjoint meters to Gemini's `usageMetadata`. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";

/**
 * Gemini's convention: `promptTokenCount` counts all input, of which `cachedContentTokenCount` is a part; the output is split
 * into `candidatesTokenCount` and `thoughtsTokenCount`; `totalTokenCount` is the sum of the three.
 * Source: https://ai.google.dev/api/generate-content#UsageMetadata
 * Undefined when nothing was reported: a zero would be a statement.
 */
export function writeUsage(usage: Usage | undefined): object | undefined {
  if (usage === undefined) return undefined;
  const of = (...meters: readonly Meter[]): number => Number(usage.quantities.filter(({ meter }) => meters.includes(meter)).reduce((sum, { quantity }) => sum + quantity, 0n));
  const cached = of(Meter.CACHED_INPUT_TOKENS);
  const audioInput = of(Meter.AUDIO_INPUT_TOKENS);
  const imageInput = of(Meter.IMAGE_INPUT_TOKENS);
  const audioOutput = of(Meter.AUDIO_OUTPUT_TOKENS);
  const imageOutput = of(Meter.IMAGE_OUTPUT_TOKENS);
  const thoughts = of(Meter.REASONING_OUTPUT_TOKENS);
  const prompt = of(Meter.INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS) + cached + audioInput + imageInput;
  const candidates = of(Meter.OUTPUT_TOKENS) + audioOutput + imageOutput;
  return {
    promptTokenCount: prompt,
    candidatesTokenCount: candidates,
    totalTokenCount: prompt + candidates + thoughts,
    ...(thoughts === 0 ? {} : { thoughtsTokenCount: thoughts }),
    ...(cached === 0 ? {} : { cachedContentTokenCount: cached }),
    ...writeDetails("promptTokensDetails", { AUDIO: audioInput, IMAGE: imageInput }),
    ...writeDetails("candidatesTokensDetails", { AUDIO: audioOutput, IMAGE: imageOutput }),
  };
}

/** Absent where all is text. */
function writeDetails(member: string, tokens: Readonly<Record<"AUDIO" | "IMAGE", number>>): object {
  const details = Object.entries(tokens).flatMap(([modality, tokenCount]) => (tokenCount === 0 ? [] : [{ modality, tokenCount }]));
  return details.length === 0 ? {} : { [member]: details };
}
