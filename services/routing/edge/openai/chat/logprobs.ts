/** Owns log-probabilities as OpenAI writes them. */
import type { TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";

/** The `logprobs` of a choice: of its content, or of its refusal; null when there are none. */
export function writeLogprobs(logprobs: readonly TokenLogprob[], of: "content" | "refusal"): object | null {
  if (logprobs.length === 0) return null;
  const tokens = logprobs.map((logprob) => ({ ...writeToken(logprob), top_logprobs: logprob.top.map(writeToken) }));
  return of === "content" ? { content: tokens, refusal: null } : { content: null, refusal: tokens };
}

function writeToken({ token, logprob, tokenBytes }: TokenLogprob): object {
  return { token, logprob, bytes: tokenBytes.length === 0 ? null : [...tokenBytes] };
}
