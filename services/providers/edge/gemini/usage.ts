/** Owns the way from Gemini's usage metadata to Weir's disjoint meters. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { reportedTokens, type Counted } from "../../domain/usage/reported-usage.ts";
import { asCount, asObject, asObjects, isObject, type JsonObject } from "../../domain/translation/vendor-json.ts";

/**
 * Gemini's convention:
 * - `promptTokenCount` counts all input, of which `cachedContentTokenCount` is a part; what Google's own tools found and gave
 *   to the model stands beside it, in `toolUsePromptTokenCount`.
 * - `candidatesTokenCount` counts the output without thoughts, which stand beside it in `thoughtsTokenCount`; the total is the
 *   sum of all four. Where it is the sum without the thoughts, they are part of the output.
 * - `…TokensDetails` splits each count by modality; of these audio has meters of its own, and images have one in the output,
 *   where they cost more than text (https://ai.google.dev/gemini-api/docs/pricing).
 * - Searches are billed by the query; the metadata does not count them, so whoever read the reply does.
 * Source: the docstrings of GenerateContentResponseUsageMetadata in @google/genai, and
 * https://ai.google.dev/gemini-api/docs/google-search#pricing.
 * In a stream every chunk repeats the figures as they are by then; the last one counts. Undefined when nothing is reported.
 */
export function readUsage(metadata: unknown, searches: number): Usage | undefined {
  if (!isObject(metadata)) return undefined;
  const prompt = asCount(metadata["promptTokenCount"]);
  const candidates = asCount(metadata["candidatesTokenCount"]);
  if (prompt === undefined && candidates === undefined && asCount(metadata["totalTokenCount"]) === undefined) return undefined;
  return reportedTokens([...readInput(metadata, prompt ?? 0), ...readOutput(metadata, candidates ?? 0), [Meter.WEB_SEARCHES, searches]]);
}

/** The tier that served the call, by the words that a request has for it; empty when the metadata does not say. */
export function serviceTierOf(metadata: unknown): string {
  const { serviceTier, trafficType } = asObject(metadata);
  if (typeof serviceTier === "string") return serviceTier.toLowerCase();
  return typeof trafficType === "string" ? (tiers.get(trafficType) ?? trafficType) : "";
}

/** Source: TrafficType and ServiceTier in @google/genai. */
const tiers: ReadonlyMap<string, string> = new Map([
  ["TRAFFIC_TYPE_UNSPECIFIED", ""],
  ["ON_DEMAND", "standard"],
  ["ON_DEMAND_PRIORITY", "priority"],
  ["ON_DEMAND_FLEX", "flex"],
]);

function readInput(metadata: JsonObject, prompt: number): readonly Counted[] {
  const cached = Math.min(asCount(metadata["cachedContentTokenCount"]) ?? 0, prompt);
  const fresh = prompt - cached;
  // Sound that was read from the cache is counted there.
  const audio = Math.min(Math.max(0, tokensOf("AUDIO", metadata["promptTokensDetails"]) - tokensOf("AUDIO", metadata["cacheTokensDetails"])), fresh);
  return [
    [Meter.INPUT_TOKENS, fresh - audio + (asCount(metadata["toolUsePromptTokenCount"]) ?? 0)],
    [Meter.CACHED_INPUT_TOKENS, cached],
    [Meter.AUDIO_INPUT_TOKENS, audio],
  ];
}

function readOutput(metadata: JsonObject, candidates: number): readonly Counted[] {
  const thoughts = asCount(metadata["thoughtsTokenCount"]) ?? 0;
  const withoutThoughts = (asCount(metadata["promptTokenCount"]) ?? 0) + (asCount(metadata["toolUsePromptTokenCount"]) ?? 0) + candidates;
  const isInside = thoughts <= candidates && asCount(metadata["totalTokenCount"]) === withoutThoughts;
  const output = isInside ? candidates - thoughts : candidates;
  const audio = Math.min(tokensOf("AUDIO", metadata["candidatesTokensDetails"]), output);
  const image = Math.min(tokensOf("IMAGE", metadata["candidatesTokensDetails"]), output - audio);
  return [
    [Meter.OUTPUT_TOKENS, output - audio - image],
    [Meter.REASONING_OUTPUT_TOKENS, thoughts],
    [Meter.AUDIO_OUTPUT_TOKENS, audio],
    [Meter.IMAGE_OUTPUT_TOKENS, image],
  ];
}

function tokensOf(modality: "AUDIO" | "IMAGE", details: unknown): number {
  return asObjects(details)
    .filter((detail) => detail["modality"] === modality)
    .reduce((sum, { tokenCount }) => sum + (asCount(tokenCount) ?? 0), 0);
}
