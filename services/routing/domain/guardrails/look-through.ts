/** Owns looking through all texts of something without keeping other requests waiting: between pieces, they have their turn. */
import type { CallGuard } from "./call-guard.ts";
import type { Side } from "./compiled-rules.ts";
import type { Rewrite } from "./rewrite-json.ts";

/** Gives other work its turn. */
export type Breathe = () => Promise<void>;

/** So short that all detectors together, for whatever text, are done in some milliseconds. */
export const pieceLength = 8 * 1024;

/** What `rewriteAll` makes of its texts, each as the guard leaves it. It is called twice and must ask for the same texts in the same order. Throws GUARDRAIL_BLOCKED. */
export async function lookThrough<Result>(rewriteAll: (rewrite: Rewrite) => Result, guard: CallGuard, side: Side, breathe: Breathe): Promise<Result> {
  const texts: string[] = [];
  const untouched = rewriteAll((text) => {
    texts.push(text);
    return text;
  });
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
  if (rewritten.every((text, index) => text === texts[index])) return untouched;
  let next = 0;
  return rewriteAll(() => rewritten[next++]!);
}
