import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { GenerateRequestSchema, GenerationSchema, StreamGenerateRequestSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { AttemptRequestSchema, ProviderSchema, type AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Target } from "../targets/plan.ts";
import { cacheKey } from "./cache-key.ts";
import { framedText } from "./frame.ts";

type Operation = AttemptRequest["operation"];

const target: Target = { name: "up/m", provider: create(ProviderSchema, { name: "up" }), model: "m", breakerName: "up" };
const keyOf = (operation: Operation, organization = "org"): string => cacheKey([organization], target, create(AttemptRequestSchema, { operation }));
const frameOf = (operation: Operation, organization?: string): string => keyOf(framedText(operation)!.frame, organization);

const inBytes = (dialect: string, body: unknown): Operation => ({
  case: "generate",
  value: create(GenerateRequestSchema, { generation: { model: "m", native: { dialect, body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)) } } }),
});
const inTypes = (generation: Generation, isStream = false): Operation =>
  isStream ? { case: "streamGenerate", value: create(StreamGenerateRequestSchema, { generation }) } : { case: "generate", value: create(GenerateRequestSchema, { generation }) };
const says = (role: Role, ...texts: string[]) => ({ role, parts: texts.map((text) => ({ kind: { case: "text" as const, value: { text } } })) });
const generationOf = (system: string, ...texts: string[]): Generation => create(GenerationSchema, { model: "m", messages: [says(Role.SYSTEM, system), says(Role.USER, ...texts)] });

/** By dialect, a body that ends with this text of the caller's. */
const bodies: Readonly<Record<string, (text: string, earlier: string, setting: number) => unknown>> = {
  openai: (text, earlier, setting) => ({ messages: [{ role: "system", content: earlier }, { role: "user", content: "first" }, { role: "assistant", content: "said" }, { role: "user", content: text }], temperature: setting }),
  "openai in parts": (text, earlier, setting) => ({ messages: [{ role: "user", content: [{ type: "text", text: earlier }] }, { role: "user", content: [{ type: "text", text }] }], seed: setting }),
  anthropic: (text, earlier, setting) => ({ system: earlier, max_tokens: setting, messages: [{ role: "user", content: [{ type: "text", text, cache_control: { type: "ephemeral" } }] }] }),
  "openai-responses": (text, earlier, setting) => ({ instructions: earlier, input: text, top_p: setting }),
  "openai-responses in items": (text, earlier, setting) => ({ input: [{ role: "user", content: earlier }, { type: "message", role: "user", content: [{ type: "input_text", text }] }], top_p: setting }),
  gemini: (text, earlier, setting) => ({ contents: [{ role: "user", parts: [{ text: earlier }] }, { role: "user", parts: [{ text }] }], generationConfig: { seed: setting } }),
  ollama: (text, earlier, setting) => ({ messages: [{ role: "system", content: earlier }, { role: "user", content: text }], options: { seed: setting } }),
};
const dialectOf = (name: string): string => name.split(" ")[0]!;

const word = fc.constantFrom("how", "do", "I", "reset", 'a "password"', "\n", "ü", "€", "\\", "{}", "content");
const words = fc.array(word, { minLength: 1, maxLength: 6 }).map((all) => `${all.join(" ")}?`);
const earlier = fc.constantFrom("Be kind.", "Be brief.", "how do I?");
const setting = fc.constantFrom(0, 1);

describe.each(Object.keys(bodies))("in the bytes of %s", (name) => {
  const operationOf = (text: string, ...rest: [string, number]): Operation => inBytes(dialectOf(name), bodies[name]!(text, ...rest));

  test("the text is what the caller said last; the frame is the same whatever it is, and another where anything else is", () => {
    fc.assert(
      fc.property(words, words, earlier, earlier, setting, setting, (text, other, before, otherBefore, value, otherValue) => {
        expect(framedText(operationOf(text, before, value))!.text).toBe(text);
        const isSame = before === otherBefore && value === otherValue;
        expect(frameOf(operationOf(text, before, value)) === frameOf(operationOf(other, otherBefore, otherValue))).toBe(isSame);
      }),
    );
  });

  test("other numbers, another frame", () => {
    const frames = ["order 17 of May", "May's order: 17", "order 18 of May", "order of May", "order 1 7 of May"].map((text) => frameOf(operationOf(text, "", 0)));
    expect(frames.map((frame) => frames.indexOf(frame))).toEqual([0, 0, 2, 3, 4]);
  });

  test.each([
    ["is it -40 here", "is it 40 here"],
    ["what is 3 - 5", "what is 3 + 5"],
    ["a dose of 1.5 mg", "a dose of 1-5 mg"],
    ["is 5 < 7", "is 5 > 7"],
  ])("%s has another frame than %s", (one, other) => {
    expect(frameOf(operationOf(one, "", 0))).not.toBe(frameOf(operationOf(other, "", 0)));
  });
});

test("in types, the frame differs wherever anything but the text does: organizations, streams, roles, the number of parts", () => {
  const base = inTypes(generationOf("Be kind.", "how?"));
  expect(framedText(base)!.text).toBe("how?");
  expect(framedText(inTypes(generationOf("Be kind.", "how", "so?")))!.text).toBe("how\nso?");
  expect(frameOf(inTypes(generationOf("Be kind.", "why?")))).toBe(frameOf(base));
  const others: readonly Operation[] = [
    inTypes(generationOf("Be brief.", "how?")),
    inTypes(generationOf("Be kind.", "how?"), true),
    inTypes(generationOf("Be kind.", "how", "so?")),
    inTypes({ ...generationOf("Be kind.", "how?"), maxOutputTokens: 1n }),
    inTypes({ ...generationOf("Be kind.", "how?"), model: "n" }),
    inBytes("openai", { messages: [{ role: "user", content: "how?" }] }),
    inBytes("anthropic", { messages: [{ role: "user", content: "how?" }] }),
  ];
  const frames = [frameOf(base), frameOf(base, "other"), ...others.map((operation) => frameOf(operation))];
  expect(new Set(frames).size).toBe(frames.length);
});

test("a frame leaves no byte out but the text, where members stand twice even", () => {
  const frame = (body: string): string => Buffer.from((framedText(inBytes("openai", body))!.frame.value as { generation: Generation }).generation.native!.body).toString();
  expect(frame('{ "seed":9007199254740993,"messages":[{"content":"a","role":"user"},{"content" : "b 2" ,"role":"user"}] }')).toBe('{ "seed":9007199254740993,"messages":[{"content":"a","role":"user"},{"content" : "2" ,"role":"user"}] }');
  const twice = '{"messages":[{"role":"user","content":"first"}],"messages":[{"role":"user","content":"one","content":"two"}]}';
  expect(framedText(inBytes("openai", twice))!.text).toBe("two");
  expect(frame(twice)).toBe(twice.replace("two", ""));
});

describe("nothing is found by meaning where the last turn is not the caller's text alone", () => {
  test.each<[string, string, unknown]>([
    ["a picture beside it", "openai", { messages: [{ role: "user", content: [{ type: "text", text: "what?" }, { type: "image_url", image_url: { url: "https://x.test/y.png" } }] }] }],
    ["a picture in a member of its own", "ollama", { messages: [{ role: "user", content: "what?", images: ["aGk="] }] }],
    ["the model's turn", "anthropic", { messages: [{ role: "user", content: "what?" }, { role: "assistant", content: "It is" }] }],
    ["a tool's result", "openai", { messages: [{ role: "user", content: "what?" }, { role: "tool", tool_call_id: "c", content: "9" }] }],
    ["a tool's result as a part", "anthropic", { messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "9" }] }] }],
    ["a thought", "gemini", { contents: [{ role: "user", parts: [{ text: "what?", thought: true }] }] }],
    ["an item that is no message", "openai-responses", { input: [{ type: "function_call_output", call_id: "c", output: "9" }] }],
    ["no turn", "openai", { messages: [] }],
    ["no conversation", "openai", {}],
    ["no text", "openai", { messages: [{ role: "user", content: " " }] }],
    ["a text that is too long", "openai", { messages: [{ role: "user", content: "x".repeat(2_001) }] }],
    ["a body that is too long", "openai", { messages: [{ role: "system", content: "x".repeat(300_000) }, { role: "user", content: "what?" }] }],
    ["a dialect in which no text is known", "cohere", { messages: [{ role: "user", content: "what?" }] }],
  ])("%s", (_name, dialect, body) => {
    expect(framedText(inBytes(dialect, body))).toBeUndefined();
  });

  test.each<[string, Generation]>([
    ["a picture beside it", create(GenerationSchema, { messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "what?" } } }, { kind: { case: "image", value: {} } }] }] })],
    ["the model's turn", create(GenerationSchema, { messages: [says(Role.USER, "what?"), says(Role.ASSISTANT, "It is")] })],
    ["nothing", create(GenerationSchema)],
  ])("in types: %s", (_name, generation) => {
    expect(framedText(inTypes(generation))).toBeUndefined();
  });
});
