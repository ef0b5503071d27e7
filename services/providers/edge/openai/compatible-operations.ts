/** Owns what servers that speak OpenAI's API can have beside Chat Completions. */
import type { UnaryAdapters } from "../../domain/adapter.ts";
import { createEmbedAdapter } from "./embeddings.ts";
import { createImagesAdapter } from "./images.ts";
import { createModerateAdapter } from "./moderations.ts";
import type { OpenaiQuirks } from "./quirks.ts";
import { rerankAdapter } from "./rerank.ts";

export type CompatibleOperation = "embed" | "moderate" | "rerank" | "generateImages";

/** The adapters of these; without `takesOpenaiBytes` (see CompatibleVendor) none of them takes a caller's own bytes. */
export function createOperations(names: readonly CompatibleOperation[], quirks: OpenaiQuirks, takesOpenaiBytes: boolean): UnaryAdapters {
  const all: Required<Pick<UnaryAdapters, CompatibleOperation>> = {
    embed: createEmbedAdapter(quirks),
    moderate: createModerateAdapter(quirks),
    rerank: rerankAdapter,
    generateImages: createImagesAdapter(quirks),
  };
  return Object.fromEntries(
    names.map((name) => {
      const { native, ...typed } = all[name];
      return [name, takesOpenaiBytes && native !== undefined ? { ...typed, native } : typed];
    }),
  );
}
