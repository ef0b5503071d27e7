/** Owns what a detector is, and how one that looks at runs of characters finds the same however the text is cut into pieces. */
import { plainText } from "./plain-text.ts";

/** Where something was found: offsets into the text, the end exclusive. */
export interface Find {
  readonly start: number;
  readonly end: number;
}

/** What was found in a text that may go on. */
export interface Scan {
  /** All that begin before `settled`, in order. */
  readonly finds: readonly Find[];
  /** Up to here nothing that follows can change what is found; the next scan begins here. */
  readonly settled: number;
}

export interface Detector {
  /** What is found, as it stands in a placeholder: `EMAIL`. */
  readonly label: string;
  /** Looks from `from` on, where the scan before it settled; the character before it is there. At the end everything settles. Takes linear time. */
  scan(text: string, from: number, isEnd: boolean): Scan;
}

/** A detector whose finds consist of few kinds of characters. */
export interface RunDetector {
  readonly label: string;
  /** The inside of a character class with every character that a find can have. */
  readonly characters: string;
  /** No find is shorter. */
  readonly shortest: number;
  /** A longer find is found up to here. */
  readonly longest: number;
  /** What is found in a text of these characters alone, at most twice as long as `longest`, in order. */
  readonly find: (run: string) => Iterable<Find>;
  /** Whether texts count only as they are written: else they are looked at in plain form, too. */
  readonly isAsWritten?: boolean;
}

/**
 * Looks at each longest run of the characters, once it is known where the run ends. A run that is longer than two finds is looked at
 * in windows, whose places depend on the run alone: so the hold-back is bounded by them, and each find lies whole in one of them.
 */
export function inRuns({ label, characters, shortest, longest, find, isAsWritten = false }: RunDetector): Detector {
  const window = longest * 2;
  // Bounded, as V8 remembers every step of an unbounded one; no pattern follows that could make it step back.
  const run = new RegExp(`[${characters}]{1,${window}}`, "g");
  return {
    label,
    scan(text, from, isEnd) {
      const isWhole = ({ start, end }: Find): boolean => isEdgeOfWord(text, start) && isEdgeOfWord(text, end);
      const written = scanIn(text, from, isEnd);
      const writtenFinds = written.finds.filter(isWhole);
      const plain = isAsWritten ? undefined : plainText(text.slice(from));
      if (plain === undefined) return { finds: writtenFinds, settled: written.settled };
      const placeOf = (offset: number): number => from + plain.placeOf(offset);
      const { finds, settled } = scanIn(plain.text, 0, isEnd);
      const plainFinds = finds.map(({ start, end }) => ({ start: placeOf(start), end: placeOf(end - 1) + 1 })).filter(isWhole);
      const bothSettled = settled === plain.text.length ? written.settled : Math.min(written.settled, placeOf(settled));
      return { finds: united([...writtenFinds, ...plainFinds]).filter(({ start }) => start < bothSettled), settled: bothSettled };
    },
  };

  function scanIn(text: string, from: number, isEnd: boolean): Scan {
    const finds: Find[] = [];
    for (let at = from; ; ) {
      run.lastIndex = at;
      const match = run.exec(text);
      if (match === null) return { finds, settled: text.length };
      const start = match.index;
      const end = start + match[0].length;
      const isWindow = end - start === window;
      if (!isWindow && end === text.length && !isEnd) return { finds, settled: start };
      at = isWindow ? start + longest : end;
      if (end - start < shortest) continue;
      for (const found of find(match[0])) {
        if (isWindow && found.start >= longest) break;
        const foundStart = start + found.start;
        const foundEnd = start + (isWindow ? Math.min(found.end, found.start + longest) : found.end);
        at = Math.max(at, foundEnd);
        finds.push({ start: foundStart, end: foundEnd });
      }
    }
  }
}

/** Finds in order, those that lie over each other as one. */
function united(finds: readonly Find[]): Find[] {
  const result: Find[] = [];
  for (const find of finds.toSorted((left, right) => left.start - right.start)) {
    const last = result.at(-1);
    if (last === undefined || find.start >= last.end) result.push(find);
    else result[result.length - 1] = { start: last.start, end: Math.max(last.end, find.end) };
  }
  return result;
}

/** Whether a word or number may begin or end here: no letters or digits stand on both sides. */
export function isEdgeOfWord(text: string, at: number): boolean {
  return !(isWordAt(text, at - 1) && isWordAt(text, at));
}

function isWordAt(text: string, index: number): boolean {
  const code = text.charCodeAt(index);
  if (code < 128) return (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
  // Scripts that are written without spaces between words have no ends of words to go by.
  return code >= 128 && otherWordCharacter.test(text[index]!) && !unspacedCharacter.test(text[index]!);
}

const otherWordCharacter = /[\p{L}\p{N}]/u;
const unspacedCharacter = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** Every match of a global expression that passes the check. */
export function* matchesOf(expression: RegExp, text: string, isValid: (match: string) => boolean = () => true): Iterable<Find> {
  for (const { 0: match, index } of text.matchAll(expression)) if (isValid(match)) yield { start: index, end: index + match.length };
}
