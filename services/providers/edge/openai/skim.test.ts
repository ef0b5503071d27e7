import fc from "fast-check";
import { expect, test } from "vitest";
import type { SseEvent } from "#platform/sse.ts";
import type { VendorRequest } from "../../domain/adapter.ts";
import { createStreamReader } from "./stream-reader.ts";

const start = { id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] };

function eventOf(chunk: unknown, spaces?: number): SseEvent {
  const data = JSON.stringify(chunk, undefined, spaces);
  return { type: "", data, raw: Buffer.from(`data: ${data}\n\n`) };
}

function textChunk(content: string, rest: object = {}, more: object = {}): unknown {
  return { id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { content }, logprobs: null, finish_reason: null, ...rest }], usage: null, ...more };
}

/** A reader that has seen the beginning of a stream. */
function begunReader(): ReturnType<typeof createStreamReader> {
  const reader = createStreamReader({ withholdUsage: false } as VendorRequest);
  reader.read(eventOf(start));
  return reader;
}

test("text alone need not be read, whatever is in it, and its bytes are counted", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: "grapheme" }), fc.constantFrom('"usage":{', '\\"finish_reason":"stop"', '"error":{"message":"x"}', "\\", '\\\\"')), (content) => {
      const reader = begunReader();
      expect(reader.skim!(eventOf(textChunk(content)))).toBe(true);
      expect(reader.outputBytes).toBe(Buffer.byteLength(JSON.stringify(content)) - 2);
    }),
  );
});

test.each([
  ["a finish reason", textChunk("x", { finish_reason: "stop" })],
  ["usage", textChunk("x", {}, { usage: { prompt_tokens: 1 } })],
  ["an error", textChunk("x", {}, { error: { message: "no" } })],
  ["log-probabilities", textChunk("x", { logprobs: { content: [] } })],
  ["another candidate", { ...(textChunk("x") as object), choices: [{ index: 1, delta: { content: "x" } }] }],
  ["a tool call", { ...(textChunk("x") as object), choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: "{" } }] } }] }],
])("a chunk with %s is read", (_, chunk) => {
  expect(begunReader().skim!(eventOf(chunk))).toBe(false);
});

test("a chunk in another spelling, and the first one, are read", () => {
  expect(begunReader().skim!(eventOf(textChunk("x"), 1))).toBe(false);
  expect(createStreamReader({ withholdUsage: false } as VendorRequest).skim!(eventOf(textChunk("x")))).toBe(false);
});
