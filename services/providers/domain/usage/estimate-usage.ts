/** Owns the estimate of what an attempt consumed when the vendor did not say. */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { estimateRecordingMs } from "./recording-length.ts";
import { noOutput, type Output } from "./generated-output.ts";
import { tokensOfBytes } from "./request-tokens.ts";

/** What is known of an attempt whose usage was not reported. */
export interface Traffic {
  readonly output: Output;
  /** What the vendor had reported before it broke off. */
  readonly reported?: Usage | undefined;
}

/** What a tokenizer is to count for an estimate. */
export interface CountedTexts {
  /** The request's body; empty where its tokens are known. */
  readonly request: Uint8Array;
  readonly output: Output;
}

/** The tokens of both. */
export interface TokenCounts {
  readonly request: bigint;
  readonly output: bigint;
}

/**
 * The rule: the input is the request's tokens, the output those of what was generated; both as counted, or by their bytes where nobody counts.
 * What the vendor reported before it broke off stands in for the input; its output counts where it is more than the estimate.
 */
export function estimateUsage({ output, reported }: Traffic, requestTokens: () => bigint, outputTokens = tokensOfBytes(output.bytes)): Usage {
  const quantities = new Map<Meter, bigint>();
  for (const { meter, quantity } of reported?.quantities ?? []) quantities.set(meter, quantity);
  if (quantities.size === 0) quantities.set(Meter.INPUT_TOKENS, requestTokens());
  const generated = outputTokens - (quantities.get(Meter.REASONING_OUTPUT_TOKENS) ?? 0n);
  if (generated > (quantities.get(Meter.OUTPUT_TOKENS) ?? 0n)) quantities.set(Meter.OUTPUT_TOKENS, generated);
  return usage(quantities);
}

/** True of what stands for a consumption that nobody reported. */
export function isEstimate(usage: Usage | undefined): boolean {
  return usage?.source === UsageSource.ESTIMATED && usage.quantities.length > 0;
}

/** What of an attempt has to be counted for that: not the request where the vendor reported its tokens. Plain data. */
export function textsToCount(request: Uint8Array, { output: { bytes, form, kept }, reported }: Traffic): CountedTexts {
  const isReported = (reported?.quantities.length ?? 0) > 0;
  return { request: isReported ? noOutput.kept : request, output: { bytes, form, kept } };
}

/** What speech consumed of which the vendor says nothing: the characters of the text, as many vendors bill them. */
export function charactersOf(text: string): Usage {
  // By Unicode's code points: a letter outside the basic plane is one character, not two.
  return usage(new Map([[Meter.CHARACTERS, BigInt([...text].length)]]));
}

/** What the transcription consumed of which the vendor says nothing: the length of the recording. */
export function recordingOf(recording: Uint8Array): Usage {
  return usage(new Map([[Meter.AUDIO_MILLISECONDS, estimateRecordingMs(recording)]]));
}

/** What an attempt consumed that the vendor refused, or never saw: nothing. */
export function noUsage(): Usage {
  return usage(new Map());
}

function usage(quantities: ReadonlyMap<Meter, bigint>): Usage {
  return create(UsageSchema, {
    quantities: [...quantities].filter(([, quantity]) => quantity > 0n).map(([meter, quantity]) => ({ meter, quantity })),
    source: UsageSource.ESTIMATED,
  });
}
