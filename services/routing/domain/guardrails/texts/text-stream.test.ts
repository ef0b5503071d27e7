import fc from "fast-check";
import { expect, test } from "vitest";
import { detectors } from "../detectors/detectors.ts";
import { patternDetector } from "../detectors/pattern.ts";
import { Placeholders } from "./placeholders.ts";
import { TextStream, type Watch } from "./text-stream.ts";
import { exactDetector, wordsDetector } from "../detectors/words.ts";

const pem = `-----BEGIN RSA PRIVATE KEY-----\n${"MIIBOgIBAAJBAKj34Gkx\n".repeat(6)}-----END RSA PRIVATE KEY-----`;
// Finds, near-misses, and pieces of which a cut, a repetition or a neighbour makes the one or the other.
const samples = [
  "ada@example.com", "@", "a@b", ".co", "bücher@straße.de", "邮箱：li@例子.公司，", "+49 30 901820", "(415) 555-2671", "030 901820", "4111 1111 1111 1111", "4111", "-",
  "DE89 3704 0044 0532 0130 00", "DE", "123-45-6789", "12345678Z", "AB 12 34 56 C", "192.168.10.20", "2001:db8::ff00:42:8329", "::", "AKIAIOSFODNN7EXAMPLE", "sk-", "_",
  pem, pem.slice(0, 40), "-----BEGIN ", "-----END RSA PRIVATE KEY-----", "Project Falcon", "project", " falcon", "PRJ-123456", "[EMAIL_1]", "[EMAIL_", "😀", "\ud83d", "\u00a0", "\u200b", "\u00ad", "４１１１　1111", "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ", "٤١١١", "a", "0", " ", "\n", ". ", ":",
];
const text = fc.array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...samples) }, fc.string({ maxLength: 5 })), { maxLength: 14 }).map((pieces) => pieces.join(""));

/** Every detector, two that mask and one that only looks, as a call would have them. */
function watches(found: Set<string>): Watch[] {
  const placeholders = new Placeholders();
  const all = [...Object.values(detectors).flat(), patternDetector("PRJ-[0-9]{6}"), wordsDetector(["Project Falcon", "Ada"]), exactDetector("BACK", ["[EMAIL_1]"])];
  return all.map((detector, index) => ({
    detector,
    onFind: (find) => void found.add(`${detector.label} ${find}`),
    replacementFor: index === 2 ? undefined : (find) => placeholders.for(detector.label, find),
  }));
}

function inPieces(whole: string, cuts: readonly number[]): { readonly out: string; readonly found: readonly string[] } {
  const found = new Set<string>();
  const stream = new TextStream(watches(found));
  let out = "";
  let at = 0;
  for (const cut of [...cuts].sort((left, right) => left - right)) {
    out += stream.push(whole.slice(at, cut));
    at = cut;
  }
  return { out: out + stream.push(whole.slice(at)) + stream.end(), found: [...found].sort() };
}

test("what is found and what comes out do not depend on how the text is cut", () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat(400), { maxLength: 12 }), (whole, cuts) => {
      const expected = inPieces(whole, []);
      expect(inPieces(whole, cuts.map((cut) => Math.min(cut, whole.length)))).toEqual(expected);
      expect(inPieces(whole, Array.from({ length: whole.length }, (_, index) => index))).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test("the same holds where a run is longer than any window", () => {
  const runs = ["1234 5678 ".repeat(30), "AB12 ".repeat(60), "x".repeat(9_000), "a.b-".repeat(5_000), "line ".repeat(900)];
  for (const run of runs) {
    const whole = `${run}4111 1111 1111 1111${run} ada@example.com PRJ-123456${run}`;
    const expected = inPieces(whole, []);
    for (const size of [1_000, 1_024, 4_097]) expect(inPieces(whole, Array.from({ length: Math.floor(whole.length / size) }, (_, index) => index * size))).toEqual(expected);
  }
});

test("each find of a sample is found, wherever it stands", () => {
  for (const [whole, out] of [
    ["Write to ada@example.com.", "Write to [EMAIL_1]."],
    ["ada@example.com and bob@example.com and ada@example.com", "[EMAIL_1] and [EMAIL_2] and [EMAIL_1]"],
    ["the project falcon is secret", "the [WORD_1] is secret"],
    ["projects falcon, Project Falconry", "projects falcon, Project Falconry"],
    [`key:\n${pem}\nend`, "key:\n[PRIVATE_KEY_1]\nend"],
    ["PRJ-1234567 PRJ-123456", "PRJ-1234567 [PATTERN_1]"],
  ] as const) {
    expect(inPieces(whole, []).out).toBe(out);
  }
});

test("text is let go of at once where nothing can begin in it, and a word later else", () => {
  const stream = new TextStream(watches(new Set()).filter(({ detector }) => ["EMAIL", "CARD", "SECRET"].includes(detector.label)));
  expect(stream.push("Hello there, how are")).toBe("Hello there, how ");
  expect(stream.push(" you today? ")).toBe("are you today?");
});
