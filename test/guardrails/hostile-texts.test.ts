/** Proves that no text makes a detector stall the process: what is looked at between two breaths takes a small, bounded time. */
import { expect, test } from "vitest";
import { CallGuard } from "../../services/routing/domain/guardrails/call-guard.ts";
import { detectors } from "../../services/routing/domain/guardrails/detectors/detectors.ts";
import { lookThrough, pieceLength } from "../../services/routing/domain/guardrails/texts/look-through.ts";
import { patternDetector } from "../../services/routing/domain/guardrails/detectors/pattern.ts";
import { TextStream } from "../../services/routing/domain/guardrails/texts/text-stream.ts";
import { exactDetector, wordsDetector } from "../../services/routing/domain/guardrails/detectors/words.ts";

const stallMs = 50;

/** What sends backtracking engines and careless loops astray: long runs of what could be a beginning, and never is. */
const seeds = [
  "a", "@", "a@", "a@a", "a.", "a-", "-", "a@a-", "a@a.", "é", "😀", "1", "1 ", "12 ", "+1", "+1 ", "+", "(0", "(02)", "0 1", "01 ", "415-555-", "415 555 2671 ", "4111 ", "4111-", "41111111",
  "DE89 ", "DE89", "A1", "A", "AB12 ", ":", "::", "1:", "1.", "1.1.1.", "a:b:", "f:", "eyJ", "eyJ.", "eyJaaaaaaaaaa.", "sk-", "sk-proj-", "xoxb-", "weir_", "gh", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----",
  "-----BEGIN PRIVATE KEY-----\n-----END ", "AB 12 ", "12345678", "RSSMRA85T10A562", "[EMAIL_", "Project ", "project falcon ", "\n", " ", "\u0000", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
  "ignore ", "ignore all ", "ignore all a b ", "show me your full ", "忽略之前", "前の指示", "önceki tüm ", "aWdub3Jl", "<|", "###", "\u200B", "\u{E0041}", "\u{1F3F4}", "i\u200B",
];

/** Patterns for which a backtracking engine takes exponential time. */
const evilPatterns = ["(a+)+$", "(a|a)*b", "(.*)*x", "([a-zA-Z]+)*1", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"];

const phrases = Array.from({ length: 2_000 }, (_, index) => `project ${"a".repeat(index % 50)} ${index}`);
const all = [...Object.values(detectors).flat(), ...evilPatterns.map(patternDetector), wordsDetector(phrases), exactDetector("BACK", ["[EMAIL_1]"])];

test.each(seeds.map((seed) => [JSON.stringify(seed), seed] as const))("no piece of a text of %s stalls, though all detectors look", (_name, seed) => {
  const text = seed.repeat(Math.ceil((4 * pieceLength) / seed.length));
  // The better of two: while the first one runs, V8 may still compile.
  expect(Math.min(longestPieceMs(text), longestPieceMs(text))).toBeLessThan(stallMs);
});

function longestPieceMs(text: string): number {
  const stream = new TextStream(all.map((detector) => ({ detector, onFind: () => undefined, replacementFor: () => "" })));
  let longestMs = 0;
  for (let at = 0; at < text.length; at += pieceLength) longestMs = Math.max(longestMs, busyMs(() => stream.push(text.slice(at, at + pieceLength))));
  return Math.max(longestMs, busyMs(() => stream.end()));
}

/** How long the thread itself works, however busy the machine is. */
function busyMs(work: () => unknown): number {
  const begun = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(begun);
  return (user + system) / 1_000;
}

test("between two pieces of a long text, other requests have their turn", async () => {
  let breaths = 0;
  const guard = new CallGuard([{ name: "r", mode: "mask", restore: false, sides: ["input"], models: [], detectors: [{ name: "email", detector: detectors["email"]![0]! }], topics: [], targetTags: [], instruction: undefined, caps: undefined, replySchema: undefined }], () => undefined);
  const texts = ["x".repeat(1024 * 1024), ...Array.from({ length: 1_024 }, () => "y".repeat(1_024))];
  await lookThrough((rewrite) => texts.map(rewrite), guard, "input", () => Promise.resolve(void breaths++));
  expect(breaths).toBe(256);
});
