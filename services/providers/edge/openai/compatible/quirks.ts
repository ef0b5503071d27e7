/** Owns in what the servers differ that speak OpenAI's API, as data. */
import type { ImageQuirks } from "../media/images.ts";

export interface OpenaiQuirks {
  /** The member that bounds the output, reasoning included. */
  readonly outputMaximumField: "max_completion_tokens" | "max_tokens";
  readonly seedField: "seed" | "random_seed";
  /** The member that names the caller's own user; to leave it out, list it in `unknownMembers`. */
  readonly endUserField: "safety_identifier" | "user";
  /** Members that the server refuses or ignores, by the name they are sent under; each is left out with a warning. */
  readonly unknownMembers: readonly OptionMember[];
  /** False where usage comes in every stream unasked. */
  readonly hasStreamOptions: boolean;
  readonly hasTopK: boolean;
  /** False where only some JSON object can be asked for, without a schema. */
  readonly hasJsonSchema: boolean;
  readonly requiredToolChoiceWord: "required" | "any";
  /** False where a tool that takes free text is unknown. */
  readonly hasCustomTools: boolean;
  /** True where a function must say its parameters, also when it has none. */
  readonly needsToolParameters: boolean;
  /** What a tool call's id may look like. */
  readonly toolCallIdForm: "any" | "forty_characters" | "nine_alphanumerics";
  /** False where a developer's instructions go as the system's. */
  readonly hasDeveloperRole: boolean;
  /** False where instructions that stand behind a reply or a tool's result are moved to the start. */
  readonly hasLateInstructions: boolean;
  /** False where the speakers of one role cannot be told apart. */
  readonly hasSpeakerNames: boolean;
  /** False where a refusal is sent back as text. */
  readonly hasRefusals: boolean;
  /** False where an earlier reply in sound cannot be named by its id, and its transcript is sent in its place. */
  readonly hasEarlierAudio: boolean;
  /** False where images are taken as bytes alone. */
  readonly fetchesImages: boolean;
  /** True where images and documents may stand in a tool's result. */
  readonly hasMediaInToolResults: boolean;
  /** True where an assistant's message at the end, which the reply continues, must be marked with `prefix`. */
  readonly needsPrefixMark: boolean;
  /** How documents are sent: OpenAI's `file`, or Mistral's `document_url`. */
  readonly documentPart: "file" | "document_url";
  /** How sound is sent: as data with its format, or as the data alone. */
  readonly soundForm: "data_and_format" | "data";
  /** How much to reason is said in `reasoning_effort`, or in OpenRouter's `reasoning`, which also takes a bound in tokens. */
  readonly reasoningField: "reasoning_effort" | "reasoning";
  /** The words for how much to reason, from the least to the most; a word that is not there is replaced by its neighbour. */
  readonly reasoningEfforts: readonly ReasoningEffort[];
  /** Models that refuse tools beside reasoning, and reason unless they are told not to; undefined where there are none. */
  readonly reasonsWithoutTools: RegExp | undefined;
  /** How earlier reasoning is sent back: by the member's name, as a `thinking` part of the content, or not at all. */
  readonly reasoningReturn: "none" | "reasoning_content" | "reasoning" | "reasoning_details" | "thinking_part";
  /** The member that sets the length of vectors; undefined where it cannot be set. */
  readonly dimensionsField: "dimensions" | "output_dimension" | undefined;
  /** False where texts to embed cannot be given as token ids. */
  readonly hasTokenInputs: boolean;
  /** False where only texts are judged. */
  readonly moderatesImages: boolean;
  /** True where judging costs nothing, and no usage is reported. */
  readonly moderationIsFree: boolean;
  readonly images: ImageQuirks;
}

export type ReasoningEffort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

/** The field of the types that each optional member of a request is made of. */
export const fieldOfMember = {
  parallel_tool_calls: "parallel_tool_calls",
  response_format: "output_format",
  reasoning_effort: "reasoning",
  reasoning: "reasoning",
  temperature: "sampling.temperature",
  top_p: "sampling.top_p",
  presence_penalty: "sampling.presence_penalty",
  frequency_penalty: "sampling.frequency_penalty",
  seed: "sampling.seed",
  logit_bias: "sampling.logit_bias",
  stop: "stop_sequences",
  n: "candidate_count",
  logprobs: "logprobs",
  top_logprobs: "top_logprobs",
  modalities: "modalities",
  audio: "audio",
  verbosity: "verbosity",
  service_tier: "service_tier",
  safety_identifier: "end_user",
  user: "end_user",
  metadata: "metadata",
  store: "store",
  prompt_cache_key: "prompt_cache_key",
} as const;

type OptionMember = keyof typeof fieldOfMember;

/** OpenAI itself; others say in what they differ from it. */
export const openaiItself: OpenaiQuirks = {
  outputMaximumField: "max_completion_tokens",
  seedField: "seed",
  endUserField: "safety_identifier",
  unknownMembers: [],
  hasStreamOptions: true,
  hasTopK: false,
  hasJsonSchema: true,
  requiredToolChoiceWord: "required",
  hasCustomTools: true,
  needsToolParameters: false,
  // "string too long. Expected a string with maximum length 40": https://github.com/BerriAI/litellm/issues/17343
  toolCallIdForm: "forty_characters",
  hasDeveloperRole: true,
  hasLateInstructions: true,
  hasSpeakerNames: true,
  hasRefusals: true,
  hasEarlierAudio: true,
  fetchesImages: true,
  hasMediaInToolResults: false,
  needsPrefixMark: false,
  documentPart: "file",
  soundForm: "data_and_format",
  reasoningField: "reasoning_effort",
  reasoningEfforts: ["none", "minimal", "low", "medium", "high", "xhigh", "max"],
  // "Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions": https://github.com/openai/openai-openapi/issues/541,
  // and for later ones also where nothing is said of reasoning: https://github.com/BerriAI/litellm/pull/34569
  reasonsWithoutTools: /gpt-(5\.[4-9]|[6-9])/,
  reasoningReturn: "none",
  dimensionsField: "dimensions",
  hasTokenInputs: true,
  moderatesImages: true,
  // https://developers.openai.com/api/docs/guides/moderation
  moderationIsFree: true,
  images: { size: "size", bytesWord: "b64_json", unknownFields: [] },
};
