/** Owns citations in this dialect: Gemini's `groundingMetadata`, https://ai.google.dev/api/generate-content#GroundingMetadata */
import type { Citation } from "#gen/weir/inference/v1/content_pb.ts";

/** A text and what it cites; `index` is the place of its part in the content. */
export interface CitedText {
  readonly text: string;
  readonly citations: readonly Citation[];
  readonly index: number;
}

/** The member of a candidate; none when nothing is cited. */
export function writeGrounding(texts: readonly CitedText[]): object {
  const cited = texts.flatMap(({ text, citations, index }) => citations.map((citation) => ({ citation, segment: segmentOf(citation, text, index) })));
  if (cited.length === 0) return {};
  return {
    groundingMetadata: {
      groundingChunks: cited.map(({ citation }) => chunkOf(citation)),
      groundingSupports: cited.map(({ segment }, index) => ({ segment, groundingChunkIndices: [index] })),
    },
  };
}

function chunkOf({ url, title, citedText }: Citation): object {
  return url === "" ? { retrievedContext: { title, text: citedText } } : { web: { uri: url, title } };
}

/** Google counts in bytes, types in UTF-16 code units. A citation without a range is of the whole text. */
function segmentOf({ startIndex, endIndex }: Citation, text: string, index: number): object {
  const start = startIndex ?? 0;
  const end = endIndex ?? text.length;
  return {
    ...(index === 0 ? {} : { partIndex: index }),
    startIndex: Buffer.byteLength(text.slice(0, start)),
    endIndex: Buffer.byteLength(text.slice(0, end)),
    text: text.slice(start, end),
  };
}
