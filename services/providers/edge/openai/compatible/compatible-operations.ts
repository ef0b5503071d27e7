/** Owns what servers that speak OpenAI's API can have beside Chat Completions. */
import type { UnaryAdapters } from "../../../domain/adapter.ts";
import type { RelayForm } from "../../../domain/reply/relay-form.ts";
import { createEmbedAdapter } from "../embeddings.ts";
import { editImagesAdapter, imageEditRelays } from "../media/image-edits.ts";
import { createImagesAdapter, imageGenerationRelay } from "../media/images.ts";
import { createModerateAdapter } from "../moderations.ts";
import type { OpenaiQuirks } from "./quirks.ts";
import { rerankAdapter } from "../rerank.ts";
import { speechRelay } from "../media/speech.ts";
import { transcribeAdapter, transcriptionRelays } from "../media/transcription.ts";

export type CompatibleOperation = "embed" | "moderate" | "rerank" | "generateImages" | "synthesizeSpeech" | "transcribe" | "editImages";

/** The adapters of these; without `takesOpenaiBytes` (see CompatibleVendor) none of them takes a caller's own bytes. */
export function createOperations(names: readonly CompatibleOperation[], quirks: OpenaiQuirks, takesOpenaiBytes: boolean): UnaryAdapters {
  const all: Required<Pick<UnaryAdapters, Exclude<CompatibleOperation, "synthesizeSpeech">>> = {
    embed: createEmbedAdapter(quirks),
    moderate: createModerateAdapter(quirks),
    rerank: rerankAdapter,
    generateImages: createImagesAdapter(quirks),
    transcribe: transcribeAdapter,
    editImages: editImagesAdapter,
  };
  return Object.fromEntries(
    names.flatMap((name) => {
      if (name === "synthesizeSpeech") return [];
      const { native, ...typed } = all[name];
      return [[name, takesOpenaiBytes && native !== undefined ? { ...typed, native } : typed]];
    }),
  );
}

/** The endpoints of these that take a caller's own bytes, whatever they are. */
export function createRelays(names: readonly CompatibleOperation[], { images }: OpenaiQuirks, takesOpenaiBytes: boolean): readonly RelayForm[] {
  const generation = images.size === "size" ? [imageGenerationRelay] : [];
  return takesOpenaiBytes ? [speechRelay, ...transcriptionRelays, ...imageEditRelays, ...generation].filter(({ operation }) => names.some((name) => name === operation)) : [];
}
