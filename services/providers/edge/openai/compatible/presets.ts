/**
 * Owns the vendors that speak OpenAI's Chat Completions and are a row here instead of a folder: where each is, and in what it
 * differs. What is not stated is taken to be as in `compatibleServer`. Unless a row says otherwise, its facts were read in
 * November 2026 in the vendor's package of https://github.com/vercel/ai (packages/<vendor>/src).
 */
import type { VendorAdapter } from "../../../domain/adapter.ts";
import type { CompatibleOperation } from "./compatible-operations.ts";
import { createOpenaiCompatible } from "./compatible.ts";
import { openaiItself, type OpenaiQuirks } from "./quirks.ts";

/** By it, the variable of another address is named, too: `GROQ_BASE_URL`. */
export type ApiKeyVariable = `${string}_API_KEY`;

export interface Preset {
  readonly adapter: VendorAdapter;
  /** The environment variable that holds the key by the custom of the vendor's users; undefined where it is used for other things too. */
  readonly apiKeyVariable?: ApiKeyVariable;
}

/** What servers that say they are compatible can be trusted to know. */
const compatibleServer: OpenaiQuirks = {
  ...openaiItself,
  outputMaximumField: "max_tokens",
  endUserField: "user",
  unknownMembers: ["modalities", "audio", "verbosity", "store", "metadata", "prompt_cache_key", "service_tier"],
  hasCustomTools: false,
  toolCallIdForm: "any",
  hasDeveloperRole: false,
  hasRefusals: false,
  hasEarlierAudio: false,
  reasonsWithoutTools: undefined,
  reasoningReturn: "reasoning_content",
};

export const presets: readonly Preset[] = [
  hosted("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", {
    unknownMembers: ["modalities", "audio", "verbosity", "store", "prompt_cache_key", "logprobs", "top_logprobs", "logit_bias", "n"],
    reasoningEfforts: ["none", "low", "medium", "high"],
    reasoningReturn: "reasoning",
    // https://console.groq.com/docs/text-to-speech and https://console.groq.com/docs/speech-to-text
  }, ["synthesizeSpeech", "transcribe"]),
  // Thinking is on unless it is turned off; earlier reasoning must come back with tool results: https://api-docs.deepseek.com/guides/thinking_mode
  hosted("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY", {
    unknownMembers: [...compatibleServer.unknownMembers, "seed", "n", "logit_bias", "parallel_tool_calls"],
    hasJsonSchema: false,
    reasoningEfforts: ["low", "medium", "high", "max"],
  }),
  hosted("xai", "https://api.x.ai/v1", "XAI_API_KEY", {
    outputMaximumField: "max_completion_tokens",
    unknownMembers: ["modalities", "audio", "verbosity", "store", "metadata", "prompt_cache_key", "presence_penalty", "frequency_penalty", "stop", "logit_bias"],
    reasoningEfforts: ["none", "low", "high"],
    // https://docs.x.ai/docs/api-reference#image-generations: `size` and `style` are named as not supported.
    images: { size: "aspect_ratio", bytesWord: "b64_json", unknownFields: ["style", "background", "moderation", "outputFormat", "outputCompression"] },
  }, ["generateImages"]),
  // https://openrouter.ai/docs/api-reference/parameters, https://openrouter.ai/docs/api/api-reference/rerank/submit-a-rerank-request
  hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", {
    hasTopK: true,
    reasoningField: "reasoning",
    reasoningReturn: "reasoning_details",
    // https://openrouter.ai/blog/announcements/announcing-audio-apis; its transcriptions take JSON in place of OpenAI's form.
  }, ["rerank", "synthesizeSpeech"]),
  // https://docs.together.ai/docs/text-to-speech, https://docs.together.ai/docs/inference/transcription/overview.md, https://docs.together.ai/reference/rerank, https://docs.together.ai/reference/post-images-generations
  hosted("together", "https://api.together.xyz/v1", "TOGETHER_API_KEY", {
    hasTopK: true,
    images: { size: "width_and_height", bytesWord: "base64", unknownFields: ["quality", "style", "background", "moderation", "outputCompression", "endUser"] },
  }, ["embed", "rerank", "generateImages", "synthesizeSpeech", "transcribe"]),
  hosted("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", {
    unknownMembers: ["modalities", "audio", "verbosity", "store", "metadata"],
    hasTopK: true,
    reasoningEfforts: ["none", "low", "medium", "high"],
  }, ["embed"]),
  hosted("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", {
    outputMaximumField: "max_completion_tokens",
    unknownMembers: [...compatibleServer.unknownMembers, "presence_penalty", "frequency_penalty", "logit_bias", "n"],
    reasoningReturn: "reasoning",
  }),
  hosted("perplexity", "https://api.perplexity.ai", "PERPLEXITY_API_KEY", {
    unknownMembers: [...compatibleServer.unknownMembers, "stop", "seed", "n", "logprobs", "top_logprobs", "logit_bias", "reasoning_effort", "parallel_tool_calls", "user"],
    hasStreamOptions: false,
    hasTopK: true,
    reasoningReturn: "none",
  }),
  // https://docs.api.nvidia.com/nim/reference/llm-apis
  hosted("nvidia", "https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", {}, ["embed"]),
  hosted("deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", {}, ["embed"]),
  // https://docs.github.com/en/rest/models/inference; its tokens are for much else, so none is taken from the environment.
  hosted("github", "https://models.github.ai/inference", undefined, {}, ["embed"]),
  // https://huggingface.co/docs/inference-providers
  hosted("huggingface", "https://router.huggingface.co/v1", undefined, {}),
  // Reranking: vllm/entrypoints/pooling/score/protocol.py of https://github.com/vllm-project/vllm, tools/server/README.md of https://github.com/ggml-org/llama.cpp
  // Transcriptions: https://docs.vllm.ai/en/v0.22.1/examples/speech_to_text/openai
  // The ports on which these servers listen unless told otherwise.
  local("vllm", "http://127.0.0.1:8000/v1", { hasTopK: true, reasoningReturn: "reasoning" }, ["embed", "rerank", "transcribe"]),
  local("sglang", "http://127.0.0.1:30000/v1", { hasTopK: true }),
  local("llama_cpp", "http://127.0.0.1:8080/v1", { hasTopK: true }, ["embed", "rerank"]),
  // "'url' field must be a base64 encoded image": https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/1120
  local("lm_studio", "http://127.0.0.1:1234/v1", { hasTopK: true, fetchesImages: false }),
];

function hosted(vendor: string, baseUrl: string, apiKeyVariable: ApiKeyVariable | undefined, quirks: Partial<OpenaiQuirks>, operations: readonly CompatibleOperation[] = []): Preset {
  const adapter = createOpenaiCompatible({ vendor, baseUrl, quirks: { ...compatibleServer, ...quirks }, takesOpenaiBytes: true, operations });
  return apiKeyVariable === undefined ? { adapter } : { adapter, apiKeyVariable };
}

function local(vendor: string, baseUrl: string, quirks: Partial<OpenaiQuirks>, operations: readonly CompatibleOperation[] = ["embed"]): Preset {
  return { adapter: createOpenaiCompatible({ vendor, baseUrl, quirks: { ...compatibleServer, ...quirks }, takesOpenaiBytes: true, operations, needsCredential: false }) };
}
