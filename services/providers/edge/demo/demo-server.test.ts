/** Owns the proof that the demo behaves like a vendor, seen through OpenAI's own client. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startDemoServer, type DemoServer } from "./demo-server.ts";

let server: DemoServer;
let client: OpenAI;

beforeAll(async () => {
  server = await startDemoServer();
  client = new OpenAI({ baseURL: server.baseUrl, apiKey: "none", maxRetries: 0 });
});
afterAll(() => server.stop());

const question = [{ role: "user" as const, content: "What is a weir?" }];
const tools = ["get_time", "get_weather"].map((name) => ({ type: "function" as const, function: { name, parameters: { type: "object" } } }));

describe("the demo", () => {
  it("says that it is one, and repeats the question", async () => {
    const reply = await client.chat.completions.create({ model: "demo-chat", messages: question });
    expect(reply.choices[0]?.message.content).toMatch(/demo, not a model.*What is a weir\?/);
    expect(reply.usage?.total_tokens).toBeGreaterThan(2);
  });

  it("streams the same word by word, with usage when asked", async () => {
    const whole = await client.chat.completions.create({ model: "demo-chat", messages: question });
    const words: string[] = [];
    let usage;
    for await (const chunk of await client.chat.completions.create({ model: "demo-chat", messages: question, stream: true, stream_options: { include_usage: true } })) {
      words.push(chunk.choices[0]?.delta.content ?? "");
      usage = chunk.usage ?? usage;
    }
    expect(words.length).toBeGreaterThan(5);
    expect(words.join("")).toBe(whole.choices[0]?.message.content);
    expect(usage).toEqual(whole.usage);
  });

  it.each([
    ["Use a tool, please.", "get_time"],
    ["Call get_weather now.", "get_weather"],
    ["Just talk.", undefined],
  ])("to %j answers with the tool %s", async (content, name) => {
    const reply = await client.chat.completions.create({ model: "demo-chat", messages: [{ role: "user", content }], tools });
    const [call] = reply.choices[0]?.message.tool_calls ?? [];
    expect(call?.type === "function" ? call.function.name : undefined).toBe(name);
    expect(reply.choices[0]?.finish_reason).toBe(name === undefined ? "stop" : "tool_calls");
  });

  it("answers in text once the tool has answered", async () => {
    const call = { id: "call_1", type: "function" as const, function: { name: "get_time", arguments: "{}" } };
    const messages = [...question, { role: "assistant" as const, tool_calls: [call] }, { role: "tool" as const, tool_call_id: "call_1", content: "The tool says noon." }];
    const reply = await client.chat.completions.create({ model: "demo-chat", messages, tools });
    expect(reply.choices[0]?.message.content).toContain("noon");
  });

  it("writes no more than it may: half a character is none, nor is half a call", async () => {
    const ask = (content: string, max_completion_tokens: number) => client.chat.completions.create({ model: "demo-chat", messages: [{ role: "user", content }], tools, max_completion_tokens });
    // Before the question are 53 bytes, so that 60 end within the fourth character.
    const cut = await ask("ä".repeat(10), 15);
    expect(cut.choices[0]).toMatchObject({ finish_reason: "length", message: { content: `This is Weir's built-in demo, not a model. You said: ${"ä".repeat(3)}` } });
    expect(cut.usage!.completion_tokens).toBeLessThanOrEqual(15);
    const called = await ask("Use a tool, please.", 1);
    expect(called.choices[0]).toMatchObject({ finish_reason: "length", message: { content: "This" } });
    const long = await client.chat.completions.create({ model: "demo-chat", messages: [{ role: "user", content: "x".repeat(20_000) }] });
    expect([long.choices[0]!.finish_reason, long.usage!.completion_tokens]).toEqual(["length", 1_024]);
  });

  it("embeds the same text in the same unit vector", async () => {
    const { data } = await client.embeddings.create({ model: "demo-embed", input: ["a", "b", "a"], dimensions: 100 });
    const [first, second, third] = data.map(({ embedding }) => embedding);
    expect(first).toHaveLength(100);
    expect(first).toEqual(third);
    expect(first).not.toEqual(second);
    expect(Math.hypot(...first!)).toBeCloseTo(1, 5);
  });

  it("refuses what is no request, in OpenAI's form", async () => {
    await expect(client.chat.completions.create({ model: "demo-chat", messages: [] })).rejects.toMatchObject({ status: 400, type: "invalid_request_error" });
  });
});
