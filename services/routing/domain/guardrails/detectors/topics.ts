/** Owns telling whether a text is about a topic: that enough of the topic's terms stand in it, each counted once. */
import type { Topic } from "#gen/weir/policy/v1/guardrail_pb.ts";
import type { Detector } from "./detector.ts";
import type { Watch } from "../texts/text-stream.ts";
import { folded, wordsDetector } from "./words.ts";

export interface CompiledTopic {
  readonly name: string;
  /** Of its terms. */
  readonly detector: Detector;
  readonly weights: ReadonlyMap<string, number>;
  /** The weight of a text that is about it. */
  readonly threshold: number;
}

export function compiledTopic({ name, terms, threshold }: Topic): CompiledTopic {
  const weights = Object.entries(terms).map(([term, weight]) => [keyOf(term), weight] as const);
  return { name, detector: wordsDetector(Object.keys(terms)), weights: new Map(weights), threshold };
}

/** Watches one text, and tells once that it is about the topic, with the term by which that became clear. */
export function topicWatch({ detector, weights, threshold }: CompiledTopic, onAbout: (term: string) => void): Watch {
  const seen = new Set<string>();
  let missing = threshold;
  return {
    detector,
    onFind(text) {
      const term = keyOf(text);
      if (missing <= 0 || seen.has(term)) return;
      seen.add(term);
      missing -= weights.get(term)!;
      if (missing <= 0) onAbout(text);
    },
  };
}

/** The same for every way in which the term may be found. */
function keyOf(term: string): string {
  return folded(term).normalize("NFC");
}
