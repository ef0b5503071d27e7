/** Owns the proof that tokens are those of the library, and of long texts in proportion. */
import { countTokens as tokensOf } from "gpt-tokenizer/encoding/o200k_base";
import { describe, expect, it, test } from "vitest";
import { countTokens } from "./count-tokens.ts";
import { noOutput, type Output } from "./generated-output.ts";

const tokenizer = (text: string): number => tokensOf(text, { disallowedSpecial: new Set() });
const requestOf = (...texts: string[]): Uint8Array => Buffer.from(JSON.stringify({ model: "m", messages: texts.map((content) => ({ role: "user", content })) }));
const outputOf = (text: string, bytes = Buffer.byteLength(text)): Output => ({ bytes, form: "text", kept: Buffer.from(text) });

test.each([
  ["English", "A weir is a low wall that controls a river and measures its flow. ".repeat(20)],
  ["Chinese", "堰是一种控制河流并测量其流量的矮墙。".repeat(80)],
  ["code", 'export const flow = (river: River): number => river.gauges.reduce((sum, { litres }) => sum + litres, 0); // "ok"\n'.repeat(20)],
  ["emoji", "🌊👩‍👩‍👧‍👦 ⛲️🇨🇭".repeat(40)],
  ["the names of special tokens", "<|endoftext|> and <|im_start|>"],
  ["nothing", ""],
])("of %s as many as the library says", (_name, text) => {
  expect(countTokens({ request: requestOf(text), output: outputOf(text) }, tokenizer)).toEqual({ request: BigInt(tokenizer(text)), output: BigInt(tokenizer(text)) });
});

describe("of what is long", () => {
  const word = " water";

  it("the rest of a request counts in proportion", () => {
    const texts = [word.repeat(40_000), word.repeat(80_000)];
    const { request } = countTokens({ request: requestOf(...texts), output: noOutput }, tokenizer);
    expect(Number(request)).toBeGreaterThanOrEqual(120_000);
    expect(Number(request)).toBeLessThan(120_010);
  });

  it("the tokenizer sees no more than its bound", () => {
    let characters = 0;
    countTokens({ request: requestOf(word.repeat(200_000), word), output: noOutput }, (text) => ((characters += text.length), 1));
    expect(characters).toBe(256 * 1024);
  });

  it("the rest of an output counts in proportion", () => {
    expect(countTokens({ request: noOutput.kept, output: outputOf(word.repeat(100), 4 * 600 - 1) }, tokenizer).output).toBe(400n);
  });

  it.each(["a", "!", " ", "水"])("a run of %j takes no square of the time", (sign) => {
    let longest = 0;
    const { output } = countTokens({ request: noOutput.kept, output: outputOf(sign.repeat(20_000)) }, (text) => ((longest = Math.max(longest, text.length)), text.length));
    expect({ output, longest }).toEqual({ output: 20_000n, longest: 1024 });
  });
});

test("of a whole reply the texts count, and all of it where it is no JSON", () => {
  const reply = (body: string): Output => ({ bytes: Buffer.byteLength(body), form: "body", kept: Buffer.from(body) });
  expect(countTokens({ request: noOutput.kept, output: reply('{"id":"c","choices":[{"message":{"role":"assistant","content":"Hello!"}}]}') }, tokenizer).output).toBe(2n);
  expect(countTokens({ request: noOutput.kept, output: reply('{"choices":[{"mess') }, tokenizer).output).toBe(BigInt(tokenizer('{"choices":[{"mess')));
});

test("a text that was generated is no body, though it be JSON", () => {
  const text = '{"settings":"none"}';
  expect(countTokens({ request: noOutput.kept, output: outputOf(text) }, tokenizer).output).toBe(BigInt(tokenizer(text)));
});
