/** Owns which texts of an attempt a tokenizer is given, and how much of them: what is too long is counted in proportion. */
import type { CountedTexts, TokenCounts } from "./estimate-usage.ts";
import { readBodyTexts } from "./body-texts.ts";
import { textOf } from "../translation/vendor-json.ts";

/** The most of a body's texts that is counted. */
const maximumCountedCharacters = 256 * 1024;
/** A tokenizer takes the square of the time for a word, a run of signs or of spaces, so longer ones are cut: at each cut the count can be off by one. */
const longestRun = 1024;
const runs = /[\p{L}\p{M}]+|[^\p{L}\p{M}\p{N}\s]+|\s+/gu;

type Tokenizer = (text: string) => number;

export function countTokens({ request, output }: CountedTexts, tokenizer: Tokenizer): TokenCounts {
  return {
    request: tokensOfBody(request, "request", tokenizer),
    output: output.form === "body" ? tokensOfBody(output.kept, "reply", tokenizer) : inProportion(tokensOfText(textOf(output.kept), tokenizer), output.bytes, output.kept.length),
  };
}

function tokensOfBody(body: Uint8Array, of: "request" | "reply", tokenizer: Tokenizer): bigint {
  const { texts, otherTokens } = readBodyTexts(body, of);
  let tokens = 0n;
  let characters = 0;
  let countedCharacters = 0;
  for (const text of texts) {
    const counted = text.slice(0, maximumCountedCharacters - countedCharacters);
    tokens += tokensOfText(counted, tokenizer);
    countedCharacters += counted.length;
    characters += text.length;
  }
  return otherTokens + inProportion(tokens, characters, countedCharacters);
}

function inProportion(tokens: bigint, all: number, counted: number): bigint {
  return counted === all ? tokens : (tokens * BigInt(all) + BigInt(counted) - 1n) / BigInt(counted);
}

function tokensOfText(text: string, tokenizer: Tokenizer): bigint {
  if (!hasLongRun(text)) return BigInt(tokenizer(text));
  let tokens = 0;
  for (let at = 0; at < text.length; at += longestRun) tokens += tokenizer(text.slice(at, at + longestRun));
  return BigInt(tokens);
}

function hasLongRun(text: string): boolean {
  return text.length > longestRun && text.matchAll(runs).some(([run]) => run.length > longestRun);
}
