/** Owns log-probabilities as Gemini writes them: https://ai.google.dev/api/generate-content#LogprobsResult */
import type { TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";

/** The members of a candidate, or of a piece of one; none when there are no probabilities. */
export function writeLogprobs(logprobs: readonly TokenLogprob[]): object {
  if (logprobs.length === 0) return {};
  return {
    avgLogprobs: logprobs.reduce((sum, { logprob }) => sum + logprob, 0) / logprobs.length,
    logprobsResult: {
      chosenCandidates: logprobs.map(writeToken),
      ...(logprobs.some(({ top }) => top.length > 0) ? { topCandidates: logprobs.map(({ top }) => ({ candidates: top.map(writeToken) })) } : {}),
    },
  };
}

function writeToken({ token, logprob }: TokenLogprob): object {
  return { token, logProbability: logprob };
}
