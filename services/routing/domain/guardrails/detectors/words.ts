/** Owns finding words and phrases of a list, as whole words and in any case. */
import { isEdgeOfWord, type Detector, type Find } from "./detector.ts";

interface Node {
  readonly next: Map<string, Node>;
  isEnd: boolean;
}

/** Words as they are written down, whatever their case, with accents that are characters of their own or not. Where several begin at one place, the longest is found. */
export function wordsDetector(words: readonly string[]): Detector {
  return textsDetector("WORD", words.flatMap((word) => [word, word.normalize("NFC"), word.normalize("NFD")].map(folded)), { fold: folded, mayBegin: isEdgeOfWord, mayEnd: isEdgeOfWord });
}

/** Texts as they stand, anywhere. */
export function exactDetector(label: string, texts: readonly string[]): Detector {
  return textsDetector(label, texts, { fold: (text) => text, mayBegin: () => true, mayEnd: () => true });
}

interface Matching {
  /** What makes two units alike. */
  readonly fold: (unit: string) => string;
  /** Whether a find may begin, or end, at this place between two units. */
  readonly mayBegin: (text: string, at: number) => boolean;
  readonly mayEnd: (text: string, at: number) => boolean;
}

function textsDetector(label: string, texts: readonly string[], { fold, mayBegin, mayEnd }: Matching): Detector {
  const root: Node = { next: new Map(), isEnd: false };
  for (const text of texts) plant(root, text);
  return {
    label,
    scan(text, from, isEnd) {
      const finds: Find[] = [];
      for (let start = from; start < text.length; start++) {
        if (!mayBegin(text, start)) continue;
        const end = longestFrom(start, text, isEnd);
        if (end === "not known yet") return { finds, settled: start };
        if (end === undefined) continue;
        finds.push({ start, end });
        start = end - 1;
      }
      return { finds, settled: text.length };
    },
  };

  /** The end of the longest text that begins here; undefined when none does. It is not known while the text ends before that is decided. */
  function longestFrom(start: number, text: string, isEnd: boolean): number | undefined | "not known yet" {
    let longest: number | undefined;
    let node: Node | undefined = root;
    for (let at = start; node !== undefined; at++) {
      if (at === text.length && !isEnd) return "not known yet";
      if (node.isEnd && mayEnd(text, at)) longest = at;
      node = at === text.length ? undefined : node.next.get(fold(text[at]!));
    }
    return longest;
  }
}

function plant(root: Node, text: string): void {
  let node = root;
  for (let index = 0; index < text.length; index++) {
    const unit = text[index]!;
    let next = node.next.get(unit);
    if (next === undefined) node.next.set(unit, (next = { next: new Map(), isEnd: false }));
    node = next;
  }
  node.isEnd = true;
}

/** Unit by unit, so that no offset shifts. */
export function folded(text: string): string {
  return text.replaceAll(/[\s\S]/g, (unit) => {
    const lower = unit.toLowerCase();
    return lower.length === 1 ? lower : unit;
  });
}
