/** Owns the cheap bound on a call's tokens by which rate limits count before the reply, and the true count after it. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { textLengthOf } from "../targets/fitness.ts";

export interface TokenCount {
  readonly input: number;
  readonly output: number;
}

export const noTokens: TokenCount = { input: 0, output: 0 };

/** What a reply is taken to have where the request bounds it not. */
export const assumedOutputTokens = 1_024;

const bytesPerToken = 4;

export function estimateGeneration(generation: Generation): TokenCount {
  return { input: tokensIn(textLengthOf(generation)), output: Number(generation.maxOutputTokens ?? assumedOutputTokens) };
}

/** Of a request that makes no text. */
export function estimateBytes(lengthBytes: number): TokenCount {
  return { input: tokensIn(lengthBytes), output: 0 };
}

/** Whatever way they were read or written. */
export function countTokens({ quantities }: Usage): TokenCount {
  let input = 0;
  let output = 0;
  for (const { meter, quantity } of quantities) {
    if (inputMeters.has(meter)) input += Number(quantity);
    else if (outputMeters.has(meter)) output += Number(quantity);
  }
  return { input, output };
}

function tokensIn(length: number): number {
  return Math.ceil(length / bytesPerToken);
}

const inputMeters: ReadonlySet<Meter> = new Set([
  Meter.INPUT_TOKENS,
  Meter.CACHED_INPUT_TOKENS,
  Meter.CACHE_WRITE_5M_INPUT_TOKENS,
  Meter.CACHE_WRITE_1H_INPUT_TOKENS,
  Meter.AUDIO_INPUT_TOKENS,
  Meter.IMAGE_INPUT_TOKENS,
]);

const outputMeters: ReadonlySet<Meter> = new Set([Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS]);
