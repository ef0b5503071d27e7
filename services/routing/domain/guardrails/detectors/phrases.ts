/** Owns finding phrases that are written in many ways: words of which each may be one of several, with others between them. */
import type { Find } from "./detector.ts";
import { foldedText } from "./folded-text.ts";

/** A place in a phrase. */
export interface Slot {
  /** What may stand there: words as texts are folded; `…` at the end for any ending. */
  readonly words: readonly string[];
  /** How many other words may stand before it; in scripts without spaces, characters. */
  readonly gap: number;
  readonly isOptional?: boolean;
}

export interface Phrase {
  readonly slots: readonly Slot[];
  /** Words before it that make it another one: `not`. */
  readonly notAfter?: ReadonlySet<string>;
}

/** A function that finds them in order, none over another. No phrase goes on from one sentence to the next. It takes linear time. */
export function phraseFinder(phrases: readonly Phrase[]): (text: string) => Find[] {
  const index = indexOf(phrases);
  return (text) => {
    const { text: folded, places } = foldedText(text);
    const words = wordsOf(folded);
    const finds: Find[] = [];
    for (let at = 0; at < words.length; at++) {
      const end = endOfPhrase(words, at, index);
      if (end < 0) continue;
      finds.push({ start: places[words[at]!.start]!, end: places[words[end - 1]!.end] ?? text.length });
      at = end - 1;
    }
    return finds;
  };
}

interface Word {
  readonly text: string;
  readonly beginning: string;
  /** In the folded text. */
  readonly start: number;
  readonly end: number;
  /** A sentence has ended before it, or something else that is no text. */
  readonly begins: boolean;
}

/** Of Chinese and Japanese, each character is a word. */
const wordExpression = /[\u2e80-\u9fff\uf900-\ufaff]|[\p{L}\p{N}]+/gu;
const farthest = 8;
const sentenceEnd = /[.!?。！？]/;

function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  let end = 0;
  for (const { 0: word, index } of text.matchAll(wordExpression)) {
    const between = text.slice(end, index);
    const begins = between !== " " && (between.length > farthest || sentenceEnd.test(between));
    end = index + word.length;
    words.push({ text: word, beginning: word.slice(0, 2), start: index, end, begins });
  }
  return words;
}

/** What may stand at a place, in words; the last may go on. */
interface Wording {
  readonly words: readonly string[];
  readonly goesOn: boolean;
}

interface IndexedSlot {
  readonly wordings: ReadonlyMap<string, readonly Wording[]>;
  readonly gap: number;
  readonly isOptional: boolean;
}

interface IndexedPhrase {
  readonly slots: readonly IndexedSlot[];
  readonly notAfter: ReadonlySet<string> | undefined;
}

/** By how the first word of what may stand there begins. */
function indexOf(phrases: readonly Phrase[]): ReadonlyMap<string, readonly IndexedPhrase[]> {
  const index = new Map<string, IndexedPhrase[]>();
  for (const { slots, notAfter } of phrases) {
    const phrase = { slots: slots.map(({ words, gap, isOptional = false }) => ({ wordings: wordingsOf(words), gap, isOptional })), notAfter };
    for (const beginning of phrase.slots[0]!.wordings.keys()) index.set(beginning, [...(index.get(beginning) ?? []), phrase]);
  }
  return index;
}

function wordingsOf(alternatives: readonly string[]): ReadonlyMap<string, readonly Wording[]> {
  const wordings = new Map<string, Wording[]>();
  for (const alternative of alternatives) {
    const words = wordsOf(foldedText(alternative).text);
    const { beginning } = words[0]!;
    wordings.set(beginning, [...(wordings.get(beginning) ?? []), { words: words.map(({ text }) => text), goesOn: alternative.endsWith("…") }]);
  }
  return wordings;
}

/** Behind the last word of the first phrase that begins here; -1 where none does. */
function endOfPhrase(words: readonly Word[], at: number, index: ReadonlyMap<string, readonly IndexedPhrase[]>): number {
  for (const { slots, notAfter } of index.get(words[at]!.beginning) ?? []) {
    if (notAfter !== undefined && at > 0 && !words[at]!.begins && notAfter.has(words[at - 1]!.text)) continue;
    const end = endOfSlots(words, at, slots, 0);
    if (end >= 0) return end;
  }
  return -1;
}

function endOfSlots(words: readonly Word[], at: number, slots: readonly IndexedSlot[], place: number): number {
  const slot = slots[place];
  if (slot === undefined) return at;
  for (let next = at; next <= at + slot.gap && next < words.length; next++) {
    if (place > 0 && words[next]!.begins) break;
    for (const wording of slot.wordings.get(words[next]!.beginning) ?? []) {
      if (!isAt(words, next, wording)) continue;
      const end = endOfSlots(words, next + wording.words.length, slots, place + 1);
      if (end >= 0) return end;
    }
  }
  return slot.isOptional ? endOfSlots(words, at, slots, place + 1) : -1;
}

function isAt(words: readonly Word[], at: number, wording: Wording): boolean {
  return wording.words.every((expected, offset) => {
    const word = words[at + offset];
    if (word === undefined || (offset > 0 && word.begins)) return false;
    return word.text === expected || (wording.goesOn && offset === wording.words.length - 1 && word.text.startsWith(expected));
  });
}
