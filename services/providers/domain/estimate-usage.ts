/** Owns the estimate of what an attempt consumed when the vendor did not say. */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { estimateRecordingMs } from "./recording-length.ts";
import { tokensOfBytes } from "./request-tokens.ts";

/** What is known of an attempt whose usage was not reported. */
export interface Traffic {
  /** UTF-8 bytes of what was generated. */
  readonly outputBytes: number;
  /** What the vendor had reported before it broke off. */
  readonly reported?: Usage | undefined;
}

/**
 * The rule: the input is the request's tokens as estimated, the output a token for each four bytes of the generated text.
 * What the vendor reported before it broke off stands in for the input; its output counts where it is more than the estimate.
 */
export function estimateUsage({ outputBytes, reported }: Traffic, requestTokens: () => bigint): Usage {
  const quantities = new Map<Meter, bigint>();
  for (const { meter, quantity } of reported?.quantities ?? []) quantities.set(meter, quantity);
  if (quantities.size === 0) quantities.set(Meter.INPUT_TOKENS, requestTokens());
  const reasoning = quantities.get(Meter.REASONING_OUTPUT_TOKENS) ?? 0n;
  const output = tokensOfBytes(outputBytes) - reasoning;
  if (output > (quantities.get(Meter.OUTPUT_TOKENS) ?? 0n)) quantities.set(Meter.OUTPUT_TOKENS, output);
  return usage(quantities);
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
