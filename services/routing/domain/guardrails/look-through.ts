/** Owns looking through all texts of something without keeping other requests waiting: between pieces, they have their turn. */
import type { CallGuard } from "./call-guard.ts";
import type { Side } from "./compiled-rules.ts";
import type { Rewrite } from "./rewrite-json.ts";

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
  let lengthUntilBreath = pieceLength;
  const rewritten: string[] = [];
  for (const text of texts) {
    const stream = guard.textStream(side);
    let result = "";
    for (let at = 0; at < text.length; at += pieceLength) {
      const piece = text.slice(at, at + pieceLength);
      result += stream.push(piece);
      lengthUntilBreath -= piece.length;
      if (lengthUntilBreath > 0) continue;
      lengthUntilBreath = pieceLength;
      await breathe();
    }
    rewritten.push(result + stream.end());
  }
  return rewritten;
}
