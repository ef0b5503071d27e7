/** Owns looking through all texts of something without keeping other requests waiting: between pieces, they have their turn. */
import type { CallGuard } from "./call-guard.ts";
import type { Side } from "./compiled-rules.ts";
import type { Rewrite } from "./rewrite-json.ts";

/** Gives other work its turn. */
export type Breathe = () => Promise<void>;

/** Small enough that no detector takes more than a few milliseconds for it. */
const pieceLength = 16 * 1024;
const lengthBetweenBreaths = 64 * 1024;

/** What `rewriteAll` makes of its texts, each as the guard leaves it. It is called twice and must ask for the same texts in the same order. Throws GUARDRAIL_BLOCKED. */
export async function lookThrough<Result>(rewriteAll: (rewrite: Rewrite) => Result, guard: CallGuard, side: Side, breathe: Breathe): Promise<Result> {
  const texts: string[] = [];
  const untouched = rewriteAll((text) => {
    texts.push(text);
    return text;
  });
  let lengthUntilBreath = lengthBetweenBreaths;
  const rewritten: string[] = [];
  for (const text of texts) {
    const stream = guard.textStream(side);
    let result = "";
    for (let at = 0; at < text.length; at += pieceLength) {
      const piece = text.slice(at, at + pieceLength);
      result += stream.push(piece);
      lengthUntilBreath -= piece.length;
      if (lengthUntilBreath > 0) continue;
      lengthUntilBreath = lengthBetweenBreaths;
      await breathe();
    }
    rewritten.push(result + stream.end());
  }
  if (rewritten.every((text, index) => text === texts[index])) return untouched;
  let next = 0;
  return rewriteAll(() => rewritten[next++]!);
}
