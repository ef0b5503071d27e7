/** Owns what is known of the vendors' models: a list to begin with; a model that is not on it can be called all the same. */

export interface CataloguedModel {
  /** By the vendor's name. */
  readonly name: string;
  readonly operation: "generate" | "embed";
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
