/** Owns looking through all texts of something without keeping other requests waiting: between pieces, they have their turn. */
import type { CallGuard } from "../call-guard.ts";
import type { Side } from "../compiled-rules.ts";
import { longestPlaceholder } from "./placeholders.ts";
import { isJson, rewriteJsonText, type Rewrite } from "./rewrite-json.ts";

/** Gives other work its turn. */
export type Breathe = () => Promise<void>;

/** So short that all detectors together, for whatever text, are done in some milliseconds. */
export const pieceLength = 8 * 1024;

/** What `rewriteAll` makes of its texts, each as the guard leaves it. It is called twice and must ask for the same texts in the same order. Throws GUARDRAIL_BLOCKED. */
export function lookThrough<Result>(rewriteAll: (rewrite: Rewrite) => Result, guard: CallGuard, side: Side, breathe: Breathe): Promise<Result> {
  return rewriteTexts(rewriteAll, async (texts) => guard.checkOutside(side, await detect(texts, guard, side, breathe)));
}

/** What `rewriteAll` makes of its texts, all of them as `change` leaves them. */
export async function rewriteTexts<Result>(rewriteAll: (rewrite: Rewrite) => Result, change: (texts: readonly string[]) => Promise<readonly string[]>): Promise<Result> {
  const texts: string[] = [];
  const untouched = rewriteAll((text) => {
    texts.push(text);
    return text;
  });
  const rewritten = await change(texts);
  if (rewritten.every((text, index) => text === texts[index])) return untouched;
  let next = 0;
  return rewriteAll(() => rewritten[next++]!);
}

async function detect(texts: readonly string[], guard: CallGuard, side: Side, breathe: Breathe): Promise<string[]> {
  const looks = new Looks(guard, side, breathe);
  const rewritten: string[] = [];
  // What streams out cannot wait until it is known to be JSON, and is looked at alike in one piece.
  for (const text of texts) rewritten.push(await looks.at(side === "input" ? await withinJson(text, looks) : text));
  return rewritten;
}

/** What a tool answers is often JSON, in which a line's end before a key reads as a letter, and other letters as their codes: so each value is looked at as what it says. */
function withinJson(text: string, looks: Looks): Promise<string> | string {
  if (!/^\s*[[{]/.test(text) || !isJson(text)) return text;
  return rewriteTexts((rewrite) => rewriteJsonText(text, rewrite), async (values) => {
    const rewritten: string[] = [];
    for (const value of values) rewritten.push(await looks.at(value));
    return rewritten;
  });
}

/** Looks at one text after the other, with a breath after each piece's length. */
class Looks {
  readonly #guard: CallGuard;
  readonly #side: Side;
  readonly #breathe: Breathe;
  #lengthUntilBreath = pieceLength;

  constructor(guard: CallGuard, side: Side, breathe: Breathe) {
    this.#guard = guard;
    this.#side = side;
    this.#breathe = breathe;
  }

  async at(text: string): Promise<string> {
    let isMaskedAnew = false;
    const stream = this.#guard.textStream(this.#side, () => (isMaskedAnew = true));
    let result = "";
    for (let at = 0; at < text.length; at += pieceLength) {
      const piece = text.slice(at, at + pieceLength);
      // With what may have begun in the piece before.
      if (this.#side === "input") this.#guard.noteInput(text.slice(Math.max(0, at - longestPlaceholder), at + pieceLength));
      result += stream.push(piece);
      this.#lengthUntilBreath -= piece.length;
      if (this.#lengthUntilBreath > 0) continue;
      this.#lengthUntilBreath = pieceLength;
      await this.#breathe();
    }
    result += stream.end();
    if (this.#side === "input") this.#guard.noteLooked(text, result, isMaskedAnew);
    return result;
  }
}
