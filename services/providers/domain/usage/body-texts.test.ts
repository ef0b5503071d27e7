/** Owns the proof of which texts count in the vendors' requests and replies. */
import { expect, test } from "vitest";
import { readBodyTexts } from "./body-texts.ts";

const base64 = Buffer.alloc(3_000, "picture").toString("base64");
const dataUrl = `data:image/png;base64,${base64}`;
const definition = [{ type: "function", function: { name: "flow", parameters: { type: "object" } } }];
const args = { type: "image", source: { data: "Aare" }, count: 3 };

test.each([
  [
    "OpenAI's chat completions",
    {
      model: "m", temperature: 1, user: "u", stream_options: { include_usage: true }, tools: definition,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: [{ type: "text", text: "What is it?" }, { type: "image_url", image_url: { url: dataUrl, detail: "low" } }] },
        { role: "assistant", content: null, tool_calls: [{ id: "call_1", type: "function", function: { name: "flow", arguments: '{"river":"Aare"}' } }] },
        { role: "tool", tool_call_id: "call_1", content: "3 m³/s" },
      ],
    },
    [JSON.stringify(definition), "Be brief.", "What is it?", "flow", '{"river":"Aare"}', "3 m³/s"],
    1_600n,
  ],
  ["its reply", { id: "c", object: "chat.completion", model: "m", choices: [{ index: 0, message: { role: "assistant", content: "Hello!", reasoning_content: "Hm." }, finish_reason: "stop" }] }, ["Hello!", "Hm."], 0n],
  [
    "OpenAI's Responses",
    { model: "m", instructions: "Be brief.", input: [{ role: "user", content: [{ type: "input_text", text: "Hi" }, { type: "input_image", image_url: dataUrl }] }, { type: "function_call_output", call_id: "c", output: "3" }] },
    ["Be brief.", "Hi", "3"],
    1_600n,
  ],
  ["their reply", { id: "r", instructions: "Be brief.", tools: definition, output: [{ type: "message", id: "m", role: "assistant", status: "completed", content: [{ type: "output_text", text: "Hello!" }] }, { type: "function_call", call_id: "c", name: "flow", arguments: "{}" }] }, ["Hello!", "flow", "{}"], 0n],
  [
    "Anthropic's messages",
    {
      model: "m", max_tokens: 9, system: [{ type: "text", text: "Be brief.", cache_control: { type: "ephemeral" } }],
      messages: [
        { role: "user", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: base64 } }, { type: "document", source: { type: "base64", media_type: "application/pdf", data: base64 } }] },
        { role: "assistant", content: [{ type: "thinking", thinking: "Hm.", signature: base64 }, { type: "tool_use", id: "t", name: "flow", input: args }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "3" }] },
      ],
    },
    ["Be brief.", "Hm.", "flow", JSON.stringify(args), "3"],
    1_600n + 1_000n,
  ],
  [
    "Gemini's contents",
    { systemInstruction: { parts: [{ text: "Be brief." }] }, contents: [{ role: "user", parts: [{ text: "Hi" }, { inlineData: { mimeType: "image/png", data: base64 } }] }, { parts: [{ functionCall: { name: "flow", args } }] }], generationConfig: { temperature: 1, stopSequences: ["x"] } },
    ["Be brief.", "Hi", "flow", JSON.stringify(args)],
    1_600n,
  ],
  ["Gemini's reply", { candidates: [{ content: { role: "model", parts: [{ text: "Hello!" }] }, finishReason: "STOP", index: 0 }], modelVersion: "m" }, ["Hello!"], 0n],
  ["Bedrock's messages", { system: [{ text: "Be brief." }], messages: [{ role: "user", content: [{ text: "Hi" }, { image: { format: "png", source: { bytes: base64 } } }, { toolResult: { toolUseId: "t", content: [{ json: args }] } }] }] }, ["Be brief.", "Hi", JSON.stringify(args)], 1_600n],
  ["Ollama's generation", { model: "m", system: "Be brief.", prompt: "Hi", images: [base64] }, ["Be brief.", "Hi"], 1_600n],
  ["its reply", { model: "m", response: "Hello!", done: true }, ["Hello!"], 0n],
  ["Ollama's chat", { model: "m", messages: [{ role: "user", content: "Hi", images: [base64, base64] }] }, ["Hi"], 3_200n],
  ["a ranking", { model: "m", query: "rain", documents: ["one", { text: "two" }], top_n: 1 }, ["rain", "one", "two"], 0n],
  ["texts to embed", { model: "m", input: ["one", "two"] }, ["one", "two"], 0n],
])("%s", (name, body, texts, otherTokens) => {
  const read = readBodyTexts(Buffer.from(JSON.stringify(body)), name.endsWith("reply") ? "reply" : "request");
  expect(read.texts.toSorted()).toEqual(texts.toSorted());
  expect(read.otherTokens).toBe(otherTokens);
});

test("what is no JSON is one text", () => {
  expect(readBodyTexts(Buffer.from("<html>"), "reply")).toEqual({ texts: ["<html>"], otherTokens: 0n });
});
