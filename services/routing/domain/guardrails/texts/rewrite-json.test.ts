import { expect, test } from "vitest";
import { rewriteJson } from "./rewrite-json.ts";

const shout = (value: unknown): unknown => JSON.parse(Buffer.from(rewriteJson(Buffer.from(JSON.stringify(value)), (text) => `${text}!`)).toString());

test("texts are rewritten, and what only machines read is not", () => {
  expect(shout({ model: "m", temperature: 0.5, messages: [{ role: "user", content: [{ type: "text", text: "hi" }, { type: "image_url", image_url: { url: "https://x", detail: "low" } }] }] })).toEqual({
    model: "m",
    temperature: 0.5,
    messages: [{ role: "user", content: [{ type: "text", text: "hi!" }, { type: "image_url", image_url: { url: "https://x", detail: "low" } }] }],
  });
});

test("in a tool's arguments everything is a text, long numbers too, in whatever form they come", () => {
  const free = { id: "x", n: 12, card: 4111111111111111, type: { data: "y" } };
  const loud = { id: "x!", n: 12, card: "4111111111111111!", type: { data: "y!" } };
  expect(shout({ messages: [{ content: [{ type: "tool_use", id: "t", input: free }] }] })).toEqual({ messages: [{ content: [{ type: "tool_use", id: "t", input: loud }] }] });
  expect(shout({ contents: [{ parts: [{ functionCall: { args: free } }] }] })).toEqual({ contents: [{ parts: [{ functionCall: { args: loud } }] }] });
  expect(shout({ tool_calls: [{ id: "t", function: { arguments: JSON.stringify(free) } }] })).toEqual({ tool_calls: [{ id: "t", function: { arguments: JSON.stringify(loud) } }] });
});

test("the conversation that Responses calls input is no tool's arguments, and a plain document is no bytes", () => {
  expect(shout({ input: [{ type: "message", role: "user", content: "hi" }] })).toEqual({ input: [{ type: "message", role: "user", content: "hi!" }] });
  expect(shout({ source: { media_type: "text/plain", data: "plain words" } })).toEqual({ source: { media_type: "text/plain", data: "plain words!" } });
  const picture = { source: { media_type: "image/png", data: Buffer.alloc(300, "picture").toString("base64") } };
  expect(shout(picture)).toEqual(picture);
});

test("a document that is one key, and nothing else, is no bytes either", () => {
  expect(shout({ source: { type: "text", media_type: "text/plain", data: "sk-proj-Jf83hd93hf0sj38dhf8s" } })).toEqual({ source: { type: "text", media_type: "text/plain", data: "sk-proj-Jf83hd93hf0sj38dhf8s!" } });
});
