/** Owns the estimate of what an attempt consumed when the vendor did not say. */
import { create } from "@bufbuild/protobuf";
import { Meter, UsageSchema, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { estimateRecordingMs } from "./recording-length.ts";

const bytesPerToken = 4;

/** What is known of an attempt whose usage was not reported. */
export interface Traffic {
  /** Bytes of the request's body; 0 when none was sent. */
  readonly requestBytes: number;
  /** UTF-8 bytes of what was generated. */
  readonly outputBytes: number;
  /** What the vendor had reported before it broke off. */
  readonly reported?: Usage | undefined;
}

/**
 * The rule: a token is four bytes, rounded up; of the request's JSON for the input, of the generated text for the output.
 * What the vendor reported before it broke off stands in for the input; its output counts where it is more than the estimate.
 */
export function estimateUsage({ requestBytes, outputBytes, reported }: Traffic): Usage {
  const quantities = new Map<Meter, bigint>();
  for (const { meter, quantity } of reported?.quantities ?? []) quantities.set(meter, quantity);
  if (quantities.size === 0) quantities.set(Meter.INPUT_TOKENS, tokens(requestBytes));
  const reasoning = quantities.get(Meter.REASONING_OUTPUT_TOKENS) ?? 0n;
  const output = tokens(outputBytes) - reasoning;
  if (output > (quantities.get(Meter.OUTPUT_TOKENS) ?? 0n)) quantities.set(Meter.OUTPUT_TOKENS, output);
  return usage(quantities);
}

/** What speech consumed of which the vendor says nothing: the characters of the text, as many vendors bill them. */
export function charactersOf(text: string): Usage {
  // By Unicode's code points: a letter outside the basic plane is one character, not two.
  return usage(new Map([[Meter.CHARACTERS, BigInt([...text].length)]]));
}

/** What the transcription consumed of which the vendor says nothing: the length of the recording that the request holds. */
export function recordingOf(request: Uint8Array): Usage {
  return usage(new Map([[Meter.AUDIO_MILLISECONDS, estimateRecordingMs(request)]]));
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

function tokens(bytes: number): bigint {
  return BigInt(Math.ceil(bytes / bytesPerToken));
}
