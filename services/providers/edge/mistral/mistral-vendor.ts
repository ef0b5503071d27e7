/** Owns what Weir must know of Mistral as a vendor: nearly OpenAI's API, and refusing with 422 each member that it does not know. */
import { createOpenaiCompatible } from "../openai/compatible/compatible.ts";
import { openaiItself } from "../openai/compatible/quirks.ts";

/** Source: ChatCompletionRequest, its messages and chunks, EmbeddingRequest and ClassificationRequest in https://github.com/mistralai/client-python (src/mistralai/client/models). */
export const mistralVendor = createOpenaiCompatible({
  vendor: "mistral",
  baseUrl: "https://api.mistral.ai/v1",
  quirks: {
    ...openaiItself,
    outputMaximumField: "max_tokens",
    seedField: "random_seed",
    unknownMembers: ["logit_bias", "logprobs", "top_logprobs", "modalities", "audio", "verbosity", "service_tier", "safety_identifier", "user", "store"],
    hasStreamOptions: false,
    requiredToolChoiceWord: "any",
    hasCustomTools: false,
    needsToolParameters: true,
    // "must be a-z, A-Z, 0-9, with a length of 9": https://github.com/jackmpcollins/magentic/issues/276
    toolCallIdForm: "nine_alphanumerics",
    hasDeveloperRole: false,
    // "Unexpected role 'system' after role 'assistant'": _validate_message_order of https://github.com/mistralai/mistral-common
    hasLateInstructions: false,
    hasSpeakerNames: false,
    hasRefusals: false,
    hasEarlierAudio: false,
    hasMediaInToolResults: true,
    needsPrefixMark: true,
    documentPart: "document_url",
    soundForm: "data",
    reasoningEfforts: ["none", "minimal", "low", "medium", "high", "xhigh"],
    reasonsWithoutTools: undefined,
    reasoningReturn: "thinking_part",
    dimensionsField: "output_dimension",
    hasTokenInputs: false,
    moderatesImages: false,
    moderationIsFree: false,
  },
  // What OpenAI's clients send by custom would be refused: `max_completion_tokens`, `stream_options`, `store`, `seed`.
  takesOpenaiBytes: false,
  operations: ["embed", "moderate"],
  // As its replies show them: https://github.com/karthink/gptel/issues/1203
  requestIdHeaders: ["mistral-correlation-id", "x-kong-request-id"],
  forwardedReplyHeaders: [],
});
