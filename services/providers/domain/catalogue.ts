/** Owns what is known of the vendors' models: a list to begin with; a model that is not on it can be called all the same. */
import type { UnaryName } from "./unary-operation.ts";

export interface CataloguedModel {
  /** By the vendor's name. */
  readonly name: string;
  readonly operation: "generate" | UnaryName;
  /** Input and output together; undefined when not known. */
  readonly contextWindowTokens?: number;
  /** Undefined when not known. */
  readonly maximumOutputTokens?: number;
  /** Where the figures were read. */
  readonly source: string;
}

/** The names of a vendor's models; empty for a vendor of which nothing is known. */
export function modelNames(vendor: string): readonly string[] {
  return (catalogue[vendor] ?? []).map(({ name }) => name);
}

/** By vendor. Read in November 2026. */
const catalogue: Readonly<Record<string, readonly CataloguedModel[]>> = {
  openai: [
    chat("gpt-6.2-sol", 1_050_000, 128_000, "https://vercel.com/ai-gateway/models/gpt-6.2-sol.md"),
    chat("gpt-6-sol", 1_050_000, 128_000, "https://docs.litellm.ai/blog/gpt_6_sol_luna.md"),
    chat("gpt-6-luna", 1_050_000, 128_000, "https://docs.litellm.ai/blog/gpt_6_sol_luna.md"),
    chat("gpt-5-nano", 400_000, 128_000, "https://developers.openai.com/api/docs/models/gpt-5-nano.md"),
    embedding("text-embedding-3-large", 8192, "https://developers.llamaindex.ai/typescript/framework-api-reference/variables/all_openai_embedding_models"),
    embedding("text-embedding-3-small", 8192, "https://developers.llamaindex.ai/typescript/framework-api-reference/variables/all_openai_embedding_models"),
  ],
  anthropic: [
    chat("claude-fable-5-1", 1_000_000, 128_000, "https://platform.claude.com/docs/zh-CN/models/opus-5/overview.md"),
    chat("claude-opus-5-5", 1_000_000, 128_000, "https://platform.claude.com/docs/zh-CN/models/opus-5/overview.md"),
    chat("claude-sonnet-5-5", undefined, 128_000, "https://platform.claude.com/docs/zh-CN/models/sonnet-5/overview.md"),
    chat("claude-haiku-4-5", 200_000, 64_000, "https://platform.claude.com/docs/models/overview"),
  ],
  gemini: [
    chat("gemini-4-argon", 1_048_576, undefined, "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/start/get-started-with-gemini-4"),
    chat("gemini-4-carbon", 1_048_576, undefined, "https://wavespeed.ai/zh-CN/llm/google/gemini-4-carbon"),
    chat("gemini-4-neon", 1_048_576, undefined, "https://dev.to/sebbasstian/cach-su-dung-api-gemini-4-neon-1d01"),
    chat("gemini-3.8-flash", 1_048_576, 65_536, "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-8-flash"),
    chat("gemini-3.6-flash", 1_048_576, 65_536, "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-6-flash"),
    chat("gemini-3.5-flash-lite", undefined, undefined, "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/gemini/3-5-flash-lite"),
    chat("gemini-3.1-pro-preview", 1_048_576, 65_536, "https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-8-flash"),
    embedding("gemini-embedding-2", undefined, "https://github.com/api-evangelist/deepmind/blob/main/plans/deepmind-plans-pricing.yml"),
    embedding("gemini-embedding-001", 2048, "https://www.getmaxim.ai/bifrost/llm-cost-calculator/provider/gemini.md"),
  ],
  cohere: [
    chat("command-a-03-2025", 256_000, 8_000, "https://hex.pm/packages/llm_db/2026.2.0/files/priv/llm_db/providers/cohere.json"),
    chat("command-a-reasoning-08-2025", 256_000, 32_000, "https://docs.cohere.com/docs/command-a-reasoning"),
    chat("command-r-08-2024", 128_000, 4_000, "https://developer.puter.com/tutorials/cohere-api-pricing/"),
    chat("command-r7b-12-2024", 128_000, 4_000, "https://developer.puter.com/tutorials/cohere-api-pricing/"),
    embedding("embed-v4.0", 128_000, "https://www.getmaxim.ai/bifrost/llm-cost-calculator/provider/cohere"),
  ],
  mistral: [
    chat("mistral-large-4-0", 1_000_000, 262_144, "https://dev.to/aihubmix/mistral-large-4-for-developers-what-it-is-and-what-to-check-before-you-call-it-1ekh (quotes Mistral's model card)"),
    chat("mistral-medium-3-5", 262_144, 256_000, "https://vercel.com/ai-gateway/models/mistral-medium-3.5.md"),
    chat("mistral-small-2603", undefined, undefined, "https://docs.mistral.ai/inference/conversations/reasoning"),
    chat("codestral-latest", 256_000, undefined, "https://mastra.ai/models/providers/mistral.md"),
    embedding("mistral-embed", undefined, "https://www.skills.sh/jeremylongshore/tons-of-skills-marketplace/mistral-cost-tuning"),
  ],
  demo: [chat("demo-chat", undefined, undefined, "built in"), embedding("demo-embed", undefined, "built in")],
};

function chat(name: string, contextWindowTokens: number | undefined, maximumOutputTokens: number | undefined, source: string): CataloguedModel {
  return {
    name,
    operation: "generate",
    source,
    ...(contextWindowTokens === undefined ? {} : { contextWindowTokens }),
    ...(maximumOutputTokens === undefined ? {} : { maximumOutputTokens }),
  };
}

function embedding(name: string, contextWindowTokens: number | undefined, source: string): CataloguedModel {
  return { name, operation: "embed", source, ...(contextWindowTokens === undefined ? {} : { contextWindowTokens }) };
}
