/** Owns what is known of the vendors' models: a list to begin with, which the configuration adds to; a model that is not on it can be called all the same. */
import { create } from "@bufbuild/protobuf";
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import { Modality } from "#gen/weir/inference/v1/generation_pb.ts";
import { ModelFactsSchema, type ModelFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";

/** The names of a vendor's models; empty for a vendor of which nothing is known. */
export function modelNames(vendor: string): readonly string[] {
  return Object.keys(catalogue[vendor] ?? {});
}

/** What is known of each model, by `vendor/model`: what is built in, with what is configured in its place. */
export function readModelFacts(configured: Config["models"]): ReadonlyMap<string, ModelFacts> {
  const builtIn = Object.entries(catalogue).flatMap(([vendor, models]) => Object.entries(models).map(([name, facts]) => [`${vendor}/${name}`, create(ModelFactsSchema, facts)] as const));
  const known = new Map<string, ModelFacts>(builtIn);
  for (const [name, model] of Object.entries(configured)) known.set(name, withConfigured(known.get(name), model));
  return known;
}

/** Field by field, so that one figure can be set without losing the others. */
function withConfigured(known: ModelFacts | undefined, model: Config["models"][string]): ModelFacts {
  const facts = { ...(known ?? create(ModelFactsSchema)), source: configuredSource, readDate: "" };
  if (model.contextWindowTokens !== undefined) facts.contextWindowTokens = model.contextWindowTokens;
  if (model.maxOutputTokens !== undefined) facts.maxOutputTokens = model.maxOutputTokens;
  if (model.inputModalities.length > 0) facts.inputModalities = model.inputModalities.map(modalityOf);
  if (model.outputModalities.length > 0) facts.outputModalities = model.outputModalities.map(modalityOf);
  if (model.tools !== undefined) facts.tools = model.tools;
  if (model.reasoning !== undefined) facts.reasoning = model.reasoning;
  return facts;
}

const configuredSource = "weir.yaml";

/** The contract of the configuration allows no other words than the names of the values. */
function modalityOf(word: string): Modality {
  return Modality[word.toUpperCase() as keyof typeof Modality];
}

type Facts = Readonly<Partial<Pick<ModelFacts, "contextWindowTokens" | "maxOutputTokens" | "inputModalities" | "outputModalities" | "tools" | "reasoning">>>;
type CataloguedFacts = Facts & Pick<ModelFacts, "operation" | "source" | "readDate">;

const { TEXT, IMAGE, AUDIO, VIDEO, DOCUMENT } = Modality;
const textOnly = { inputModalities: [TEXT], outputModalities: [TEXT] } satisfies Facts;
const textAndImages = { inputModalities: [TEXT, IMAGE], outputModalities: [TEXT] } satisfies Facts;
const allKinds = { inputModalities: [TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT], outputModalities: [TEXT] } satisfies Facts;

/** Where the figures of many models stand side by side, kept by the makers of OpenCode; seen as of July 2026. */
const modelsDev = (path: string): string => `https://github.com/anomalyco/models.dev/blob/dev/providers/${path}.toml`;
const claudeModels = "https://platform.claude.com/docs/about-claude/models/overview";
const readDate = "2026-11";

/** The most tokens that the built-in demo answers with. */
export const demoMaximumOutputTokens = 1_024;

/** By vendor, then by the vendor's name of the model. */
const catalogue: Readonly<Record<string, Readonly<Record<string, CataloguedFacts>>>> = {
  openai: {
    "gpt-6.2-sol": chat("https://vercel.com/ai-gateway/models/gpt-6.2-sol.md", { contextWindowTokens: 1_050_000n, maxOutputTokens: 128_000n, ...textAndImages, tools: true, reasoning: true }),
    "gpt-6-sol": chat("https://runware.ai/docs/models/openai-gpt-6-sol", { contextWindowTokens: 1_050_000n, maxOutputTokens: 128_000n, ...textAndImages, tools: true, reasoning: true }),
    "gpt-6-luna": chat("https://docs.litellm.ai/blog/gpt_6_sol_luna.md", { contextWindowTokens: 1_050_000n, maxOutputTokens: 128_000n }),
    "gpt-5-nano": chat(modelsDev("openai/models/gpt-5-nano"), { contextWindowTokens: 400_000n, maxOutputTokens: 128_000n, ...textAndImages, tools: true, reasoning: true }),
    "text-embedding-3-large": embedding("https://developers.llamaindex.ai/typescript/framework-api-reference/variables/all_openai_embedding_models", { contextWindowTokens: 8192n }),
    "text-embedding-3-small": embedding("https://developers.llamaindex.ai/typescript/framework-api-reference/variables/all_openai_embedding_models", { contextWindowTokens: 8192n }),
  },
  anthropic: {
    "claude-fable-5-1": chat(claudeModels, { contextWindowTokens: 1_000_000n, maxOutputTokens: 128_000n, ...textAndImages, tools: true, reasoning: true }),
    "claude-opus-5-5": chat(claudeModels, { contextWindowTokens: 1_000_000n, maxOutputTokens: 128_000n, ...textAndImages, tools: true, reasoning: true }),
    "claude-sonnet-5-5": chat(claudeModels, { contextWindowTokens: 1_000_000n, maxOutputTokens: 128_000n, ...textAndImages, tools: true, reasoning: true }),
    "claude-haiku-4-5": chat(modelsDev("anthropic/models/claude-haiku-4-5"), { contextWindowTokens: 200_000n, maxOutputTokens: 64_000n, inputModalities: [TEXT, IMAGE, DOCUMENT], outputModalities: [TEXT], tools: true, reasoning: true }),
  },
  gemini: {
    // How much it writes depends on whether it streams.
    "gemini-4-argon": chat("https://runware.ai/docs/models/google-gemini-4-argon", { contextWindowTokens: 1_048_576n, ...allKinds, reasoning: true }),
    "gemini-4-carbon": chat("https://wavespeed.ai/zh-CN/llm/google/gemini-4-carbon", { contextWindowTokens: 1_048_576n }),
    "gemini-4-neon": chat("https://dev.to/sebbasstian/cach-su-dung-api-gemini-4-neon-1d01", { contextWindowTokens: 1_048_576n }),
    "gemini-3.8-flash": chat("https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-8-flash", { contextWindowTokens: 1_048_576n, maxOutputTokens: 65_536n }),
    "gemini-3.6-flash": chat("https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-6-flash", { contextWindowTokens: 1_048_576n, maxOutputTokens: 65_536n }),
    "gemini-3.5-flash-lite": chat("https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/gemini/3-5-flash-lite", {}),
    "gemini-3.1-pro-preview": chat(modelsDev("google/models/gemini-3.1-pro-preview"), { contextWindowTokens: 1_048_576n, maxOutputTokens: 65_536n, ...allKinds, tools: true, reasoning: true }),
    "gemini-embedding-2": embedding("https://github.com/api-evangelist/deepmind/blob/main/plans/deepmind-plans-pricing.yml", {}),
    "gemini-embedding-001": embedding(modelsDev("google/models/gemini-embedding-001"), { contextWindowTokens: 2048n, inputModalities: [TEXT] }),
  },
  cohere: {
    "command-a-03-2025": chat(modelsDev("cohere/models/command-a-03-2025"), { contextWindowTokens: 256_000n, maxOutputTokens: 8_000n, ...textOnly, tools: true, reasoning: false }),
    "command-a-reasoning-08-2025": chat(modelsDev("cohere/models/command-a-reasoning-08-2025"), { contextWindowTokens: 256_000n, maxOutputTokens: 32_000n, ...textOnly, tools: true, reasoning: true }),
    "command-r-08-2024": chat(modelsDev("cohere/models/command-r-08-2024"), { contextWindowTokens: 128_000n, maxOutputTokens: 4_000n, ...textOnly, tools: true, reasoning: false }),
    "command-r7b-12-2024": chat(modelsDev("cohere/models/command-r7b-12-2024"), { contextWindowTokens: 128_000n, maxOutputTokens: 4_000n, ...textOnly, tools: true, reasoning: false }),
    "embed-v4.0": embedding("https://www.getmaxim.ai/bifrost/llm-cost-calculator/provider/cohere", { contextWindowTokens: 128_000n }),
  },
  mistral: {
    "mistral-large-4-0": chat("https://dev.to/aihubmix/mistral-large-4-for-developers-what-it-is-and-what-to-check-before-you-call-it-1ekh (quotes Mistral's model card)", { contextWindowTokens: 1_000_000n, maxOutputTokens: 262_144n }),
    "mistral-medium-3-5": chat(modelsDev("mistral/models/mistral-medium-2604"), { contextWindowTokens: 262_144n, maxOutputTokens: 262_144n, ...textAndImages, tools: true, reasoning: true }),
    "mistral-small-2603": chat(modelsDev("mistral/models/mistral-small-2603"), { contextWindowTokens: 256_000n, maxOutputTokens: 256_000n, ...textAndImages, tools: true, reasoning: true }),
    "codestral-latest": chat(modelsDev("mistral/models/codestral-latest"), { contextWindowTokens: 256_000n, ...textOnly, tools: true, reasoning: false }),
    "mistral-embed": embedding(modelsDev("mistral/models/mistral-embed"), { contextWindowTokens: 8_000n, inputModalities: [TEXT] }),
  },
  demo: { "demo-chat": chat("built in", { maxOutputTokens: BigInt(demoMaximumOutputTokens), ...textOnly, tools: true, reasoning: false }), "demo-embed": embedding("built in", {}) },
};

function chat(source: string, facts: Facts): CataloguedFacts {
  return { operation: "generate", source, readDate, ...facts };
}

function embedding(source: string, facts: Facts): CataloguedFacts {
  return { operation: "embed", source, readDate, ...facts };
}
