/** Owns the recognition of an event that says no more than the one before it, but for a piece of text: most of a stream is that. */
import type { GeneratedText } from "../usage/generated-output.ts";

const space = 32;
const quote = 34;
const colon = 58;
const backslash = 92;

/** An event that was read, as a pattern for those that follow: its bytes, with gaps where strings stand that may differ. */
export class RepeatedEvent {
  readonly #pieces: readonly Buffer[];
  /** Which of the gaps holds text; the others hold padding. */
  readonly #textGap: number;

  /**
   * The pattern of an event, or undefined when none can be made of it: it needs exactly one text member, whose value has
   * `textBytes` bytes. The event must be valid JSON, so that a name in quotes with a colon behind it can be nothing but a member.
   */
  static of(raw: Buffer, textBytes: number, { textMembers, paddingMembers }: MemberNames): RepeatedEvent | undefined {
    const gaps = [...textMembers.flatMap((name) => gapsOf(raw, name, true)), ...paddingMembers.flatMap((name) => gapsOf(raw, name, false))];
    gaps.sort((left, right) => left.start - right.start);
    const texts = gaps.filter(({ isText }) => isText);
    const isUsable = texts.length === 1 && texts[0]!.end - texts[0]!.start === textBytes && gaps.every(({ end }) => end >= 0);
    return isUsable ? new RepeatedEvent(raw, gaps) : undefined;
  }

  private constructor(raw: Buffer, gaps: readonly Gap[]) {
    const borders = [0, ...gaps.flatMap(({ start, end }) => [start, end]), raw.length];
    // A copy: the event is a view of all that arrived with it.
    const own = Buffer.from(raw);
    this.#pieces = Array.from({ length: gaps.length + 1 }, (_, index) => own.subarray(borders[2 * index], borders[2 * index + 1]));
    this.#textGap = gaps.findIndex(({ isText }) => isText);
  }

  /** Adds the text of an event that is the same in all else; false when it is not. */
  addText(raw: Buffer, output: GeneratedText): boolean {
    let textStart = 0;
    let textEnd = 0;
    let at = 0;
    for (let index = 0; index < this.#pieces.length; index++) {
      if (index > 0) {
        const end = endOfPlainString(raw, at);
        if (end < 0) return false;
        if (index - 1 === this.#textGap) {
          textStart = at;
          textEnd = end;
        }
        at = end;
      }
      const piece = this.#pieces[index]!;
      const end = at + piece.length;
      if (end > raw.length || raw.compare(piece, 0, piece.length, at, end) !== 0) return false;
      at = end;
    }
    if (at !== raw.length) return false;
    output.addBytes(raw, textStart, textEnd);
    return true;
  }
}

interface MemberNames {
  readonly textMembers: readonly string[];
  readonly paddingMembers: readonly string[];
}

interface Gap {
  readonly isText: boolean;
  readonly start: number;
  /** -1 when the string has an escape: what it means has to be read. */
  readonly end: number;
}

/** Where the values of the members of this name stand that are strings. */
function gapsOf(raw: Buffer, name: string, isText: boolean): Gap[] {
  const gaps: Gap[] = [];
  const quoted = `"${name}"`;
  for (let at = raw.indexOf(quoted); at >= 0; at = raw.indexOf(quoted, at + 1)) {
    const start = startOfString(raw, at + quoted.length);
    if (start >= 0) gaps.push({ isText, start, end: endOfPlainString(raw, start) });
  }
  return gaps;
}

/** The offset of a member's value inside its quotes, or -1 when it is no string. */
function startOfString(raw: Buffer, afterName: number): number {
  let at = afterName;
  while (raw[at] === space) at++;
  if (raw[at] !== colon) return -1;
  do at++;
  while (raw[at] === space);
  return raw[at] === quote ? at + 1 : -1;
}

/** The offset of the quote that ends a string, or -1 when an escape, a control character or the end of the bytes comes before it. */
function endOfPlainString(raw: Buffer, start: number): number {
  for (let at = start; at < raw.length; at++) {
    const byte = raw[at]!;
    if (byte === quote) return at;
    if (byte === backslash || byte < space) return -1;
  }
  return -1;
}
