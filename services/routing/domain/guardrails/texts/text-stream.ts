/**
 * Owns looking for finds in a text that comes in pieces, and letting go of it as soon as nothing that follows can change what was found.
 * What comes out, all pieces together, does not depend on how the text was cut.
 */
import type { Detector } from "../detectors/detector.ts";

/** A detector, and what becomes of what it finds. */
export interface Watch {
  readonly detector: Detector;
  /** Told of every find as soon as it is known, before any of it is let go; may throw to stop the text there. */
  readonly onFind: (text: string) => void;
  /** What stands in the find's place, in a text that begins as JSON does or in another one; absent where finds stay as they are. Asked in the order of the text. */
  readonly replacementFor?: ((text: string, isJson: boolean) => string) | undefined;
}

interface Replacement {
  readonly start: number;
  readonly end: number;
  /** Of its watch: where two finds are alike, the first watch's counts. */
  readonly rank: number;
}

/** What was replaced: from where to where in what came, and how long that is which stands there. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly length: number;
}

export class TextStream {
  readonly #watches: readonly Watch[];
  /** What is not let go of yet, and one character before it, by which detectors see where words begin. */
  #text = "";
  /** In `#text`: what lies before was let go of. */
  #released = 0;
  /** In `#text`, for each watch: what lies before is settled. */
  readonly #settled: number[];
  #replacements: Replacement[] = [];
  /** How much of what came is in `#text` no more. */
  #forgotten = 0;
  readonly #changes: Change[] = [];
  /** The text's first two characters that are no space. */
  #beginning = "";

  constructor(watches: readonly Watch[]) {
    this.#watches = watches;
    this.#settled = watches.map(() => 0);
  }

  /** Takes a piece; returns what can be let go of. */
  push(piece: string): string {
    this.#text += piece;
    if (this.#beginning.length < 2) this.#beginning = (this.#beginning + piece.replaceAll(/\s/g, "")).slice(0, 2);
    return this.#advance(false);
  }

  /** The text has ended; returns its rest. */
  end(): string {
    return this.#advance(true);
  }

  /** How much came so far. */
  get length(): number {
    return this.#forgotten + this.#text.length;
  }

  /** How much of that is let go of. */
  get releasedLength(): number {
    return this.#forgotten + this.#released;
  }

  /** Where a place in what came is in what comes out, as far as that is let go of: the start or the end of something, which is never within what was replaced. */
  movedPlace(place: number, edge: "start" | "end"): number {
    let moved = place;
    for (const { start, end, length } of this.#changes) {
      if (start >= place) break;
      if (end > place) return moved - place + start + (edge === "end" ? length : 0);
      moved += length - (end - start);
    }
    return moved;
  }

  #advance(isEnd: boolean): string {
    // A character of two units may come in two pieces.
    const text = !isEnd && endsWithinCharacter(this.#text) ? this.#text.slice(0, -1) : this.#text;
    let settled = text.length;
    for (const [rank, { detector, onFind, replacementFor }] of this.#watches.entries()) {
      const scan = detector.scan(text, this.#settled[rank]!, isEnd);
      for (const { start, end } of scan.finds) {
        onFind(text.slice(start, end));
        if (replacementFor !== undefined) this.#replacements.push({ start, end, rank });
      }
      // A find may reach beyond what is settled.
      this.#settled[rank] = Math.max(scan.settled, scan.finds.at(-1)?.end ?? 0);
      settled = Math.min(settled, scan.settled);
    }
    const released = this.#release(text, settled);
    this.#forget();
    return released;
  }

  #release(text: string, settled: number): string {
    if (this.#replacements.length === 0) return this.#slice(text, settled);
    this.#replacements.sort((left, right) => left.start - right.start || right.end - left.end || left.rank - right.rank);
    const later = this.#replacements.findIndex(({ start }) => start >= settled);
    let released = "";
    for (const { start, end, rank } of this.#replacements.splice(0, later < 0 ? Infinity : later)) {
      if (start < this.#released) continue;
      const replacement = this.#watches[rank]!.replacementFor!(text.slice(start, end), jsonBeginnings.has(this.#beginning));
      released += this.#slice(text, start) + replacement;
      this.#released = end;
      this.#changes.push({ start: this.#forgotten + start, end: this.#forgotten + end, length: replacement.length });
    }
    return released + this.#slice(text, settled);
  }

  /** What is to be let go of up to there. */
  #slice(text: string, end: number): string {
    if (end <= this.#released) return "";
    const slice = text.slice(this.#released, end);
    this.#released = end;
    return slice;
  }

  #forget(): void {
    const start = Math.min(this.#released, ...this.#settled) - 1;
    if (start <= 0) return;
    this.#text = this.#text.slice(start);
    this.#forgotten += start;
    this.#released -= start;
    for (const rank of this.#settled.keys()) this.#settled[rank]! -= start;
    this.#replacements = this.#replacements.map((one) => ({ ...one, start: one.start - start, end: one.end - start }));
  }
}

/** Of an object or a list, and of little else that is said. */
const jsonBeginnings: ReadonlySet<string> = new Set(['{"', "[{", '["']);

function endsWithinCharacter(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last < 0xdc00;
}
