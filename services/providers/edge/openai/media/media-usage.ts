/** Owns the way from the usage that OpenAI reports of sound and images to Weir's disjoint meters. */
import { Meter, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { reportedUsage } from "../../../domain/usage/reported-usage.ts";
import { asCount, asObject, isObject } from "../../../domain/translation/vendor-json.ts";
import { readUsage } from "../chat/usage.ts";

/** What the tokens of an endpoint are that its details do not name. */
export interface MediaMeters {
  readonly input: Meter;
  readonly output: Meter;
}

/**
 * Seconds of sound, or tokens: `input_tokens` counts all input, of which the details name the sound (`Transcription.usage` and
 * `SpeechAudioDoneEvent` of the `openai` package). Undefined when the vendor reported nothing.
 */
export function readMediaUsage(value: unknown, meters: MediaMeters): Usage | undefined {
  if (!isObject(value)) return undefined;
  const { seconds } = value;
  if (typeof seconds === "number" && seconds >= 0) return reportedUsage([[Meter.AUDIO_MILLISECONDS, Math.round(seconds * 1000)]]);
  const input = asCount(value["input_tokens"]);
  const output = asCount(value["output_tokens"]);
  // vLLM tells it as of a chat.
  if (input === undefined && output === undefined) return readUsage(value);
  const audio = Math.min(asCount(asObject(value["input_token_details"])["audio_tokens"]) ?? 0, input ?? 0);
  return reportedUsage([
    [meters.input, (input ?? 0) - audio],
    [Meter.AUDIO_INPUT_TOKENS, audio],
    [meters.output, output ?? 0],
  ]);
}
