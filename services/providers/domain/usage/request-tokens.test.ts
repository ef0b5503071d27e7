/** Owns the proof that media in a request are counted as media, and what merely looks like them as text. */
import { expect, test } from "vitest";
import { estimateRequestTokens } from "./request-tokens.ts";

const bytes = Buffer.alloc(160_000, "sound or picture");
const base64 = bytes.toString("base64");
const text = "x".repeat(400);

const image = 1_600n;
/** Ten seconds, by the usual bytes of a second. */
const sound = 320n;

/** The tokens of a body whose media hold these characters. */
function besideMedia(body: unknown, characters: number): bigint {
  return BigInt(Math.ceil((JSON.stringify(body).length - characters) / 4));
}

const dataUrl = `data:image/png;base64,${base64}`;

test.each([
  ["OpenAI's image", { messages: [{ content: [{ type: "text", text }, { type: "image_url", image_url: { url: dataUrl } }] }] }, dataUrl.length, image],
  ["an image of Responses", { input: [{ content: [{ type: "input_image", image_url: dataUrl }] }] }, dataUrl.length, image],
  ["OpenAI's sound", { messages: [{ content: [{ type: "input_audio", input_audio: { data: base64, format: "mp3" } }] }] }, base64.length, sound],
  ["Anthropic's image, also of a tool", { messages: [{ content: [{ type: "tool_result", content: [{ type: "image", source: { type: "base64", media_type: "image/png", data: base64 } }] }] }] }, base64.length, image],
  ["Gemini's image", { contents: [{ parts: [{ inlineData: { mimeType: "image/png", data: base64 } }] }] }, base64.length, image],
  ["Gemini's sound", { contents: [{ parts: [{ inline_data: { mime_type: "audio/mp3", data: base64 } }] }] }, base64.length, sound],
  ["Bedrock's image", { messages: [{ content: [{ image: { format: "png", source: { bytes: base64 } } }] }] }, base64.length, image],
  ["Ollama's images", { messages: [{ content: text, images: [base64, base64] }] }, 2 * base64.length, 2n * image],
  ["Cohere's image to embed", { inputs: [{ content: [{ type: "image_url", image_url: { url: dataUrl } }] }] }, dataUrl.length, image],
])("%s", (_, body, characters, media) => {
  expect(estimateRequestTokens(Buffer.from(JSON.stringify(body)))).toBe(besideMedia(body, characters) + media);
});

const lookalike = { type: "image", source: { type: "base64", media_type: "image/png", data: base64 } };

test.each([
  ["text", { messages: [{ content: base64 }] }],
  ["a tool's arguments", { messages: [{ content: [{ type: "tool_use", input: lookalike }, { toolUse: { input: lookalike } }, { functionCall: { args: lookalike } }] }] }],
  ["a tool's JSON", { messages: [{ content: [{ toolResult: { content: [{ json: lookalike }] } }] }], tools: [{ input_schema: lookalike }] }],
  ["a document", { messages: [{ content: [{ type: "document", source: { type: "base64", media_type: "application/pdf", data: base64 } }] }] }],
  ["an address", { messages: [{ content: [{ type: "image_url", image_url: { url: `https://a.example/${text}` } }] }] }],
])("%s counts by its bytes", (_, body) => {
  expect(estimateRequestTokens(Buffer.from(JSON.stringify(body)))).toBe(besideMedia(body, 0));
});

test("what is no JSON counts by its bytes", () => {
  expect(estimateRequestTokens(Buffer.from(text))).toBe(100n);
});
