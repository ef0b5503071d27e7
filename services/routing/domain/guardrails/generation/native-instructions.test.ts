import { expect, test } from "vitest";
import { nativeInstructions } from "./native-instructions.ts";

const cases: readonly (readonly [dialect: string, asked: string, sent: string])[] = [
  ["openai", `{ "messages" : [ {"role":"user","content":"é"} ],"n": 1.0 }`, `{ "messages" : [ {"role":"system","content":"B"},{"role":"system","content":"A"},{"role":"user","content":"é"} ],"n": 1.0 }`],
  ["openai", `{"messages":[{"role":"system","content":"own"},{"role":"developer","content":"own"},{"role":"user","content":"q"}]}`, `{"messages":[{"role":"system","content":"B"},{"role":"system","content":"own"},{"role":"developer","content":"own"},{"role":"system","content":"A"},{"role":"user","content":"q"}]}`],
  ["openai", `{"messages":[{"role":"system","content":"own"}]}`, `{"messages":[{"role":"system","content":"B"},{"role":"system","content":"own"},{"role":"system","content":"A"}]}`],
  ["openai", `{"messages":[ ]}`, `{"messages":[{"role":"system","content":"B"},{"role":"system","content":"A"} ]}`],
  ["openai-responses", `{"instructions":"own","input":"q"}`, `{"instructions":"B\\n\\nown\\n\\nA","input":"q"}`],
  ["openai-responses", `{"input":"q"}`, `{"input":"q","instructions":"B\\n\\nA"}`],
  ["anthropic", `{"system":"own","messages":[]}`, `{"system":"B\\n\\nown\\n\\nA","messages":[]}`],
  ["anthropic", `{"system":[{"type":"text","text":"own","cache_control":{"type":"ephemeral"}}]}`, `{"system":[{"type":"text","text":"B"},{"type":"text","text":"own","cache_control":{"type":"ephemeral"}},{"type":"text","text":"A"}]}`],
  ["anthropic", `{"messages":[]}`, `{"messages":[],"system":"B\\n\\nA"}`],
  ["gemini", `{"systemInstruction":{"role":"user", "parts":[{"text":"own"}]}}`, `{"systemInstruction":{"role":"user", "parts":[{"text":"B"},{"text":"own"},{"text":"A"}]}}`],
  ["gemini", `{"system_instruction":null}`, `{"system_instruction":{"parts":[{"text":"B"},{"text":"A"}]}}`],
  ["gemini", `{"contents":[]}`, `{"contents":[],"systemInstruction":{"parts":[{"text":"B"},{"text":"A"}]}}`],
  ["ollama", `{"messages":[{"role":"user","content":"q"}]}`, `{"messages":[{"role":"system","content":"B"},{"role":"system","content":"A"},{"role":"user","content":"q"}]}`],
  ["cohere", `{"messages":[{"role":"user","content":"q"}]}`, `{"messages":[{"role":"system","content":"B"},{"role":"system","content":"A"},{"role":"user","content":"q"}]}`],
];

test.each(cases)("in %s's bytes, instructions stand around the caller's own and nothing else changes: %s", (dialect, asked, sent) => {
  const written = nativeInstructions[dialect]!(Buffer.from(asked), { before: "B", after: "A" });
  expect(Buffer.from(written).toString()).toBe(sent);
});

test.each([
  ["openai", `{"messages":"q"}`],
  ["openai", `{"messages":[],"messages":[]}`],
  ["openai-responses", `{"instructions":["own"]}`],
  ["anthropic", `{"system":{"type":"text"}}`],
  ["gemini", `{"systemInstruction":"own"}`],
])("%s's bytes where no instruction can stand are refused: %s", (dialect, asked) => {
  expect(() => nativeInstructions[dialect]!(Buffer.from(asked), { before: "B", after: "" })).toThrow(expect.objectContaining({ reason: "INVALID_REQUEST" }));
});
