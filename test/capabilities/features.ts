/** Owns the list of what is tried of every dialect with every vendor. */
import type { Answer, Turn, Wanted } from "./exchange.ts";

export interface Feature {
  /** As it stands in docs/compatibility.md. */
  readonly name: string;
  readonly wanted: Wanted;
  /** The members of `wanted` that must have come to the vendor as they were. */
  readonly arrives: readonly (keyof Wanted)[];
  readonly answer: Answer;
  /** The members of `answer` that must have come to the caller as they were. */
  readonly returns: readonly (keyof Answer)[];
}

const usage = { input: 21, cached: 0, output: 9, reasoning: 0 };
const plain: Answer = { text: "A weir measures a river — größer als ein Bach.", finish: "stop", usage };
const question: readonly Turn[] = [{ role: "user", parts: [{ text: "What is a weir?" }] }];
const pixel = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const page = `data:application/pdf;base64,${Buffer.from("%PDF-1.4 a page").toString("base64")}`;
const parameters = { type: "object", properties: { river: { type: "string" } }, required: ["river"], additionalProperties: false };
const flow = { name: "get_flow", description: "How much water a river carries.", parameters };
const level = { name: "get_level", description: "How high a river stands.", parameters };
const askAare = { id: "call_aare1", name: "get_flow", input: { river: "Aare" } };
const askReuss = { id: "call_reus2", name: "get_level", input: { river: "Reuss" } };
const called: Answer = { calls: [askAare], finish: "calls", usage };
const thought = { text: "It is small; it measures.", signature: Buffer.from("signed by the vendor").toString("base64") };

/** A question with something beside it, answered in plain text. */
function asks(name: string, more: Partial<Wanted>, ...arrives: readonly (keyof Wanted)[]): Feature {
  const members = arrives.length > 0 ? arrives : (Object.keys(more) as (keyof Wanted)[]);
  return { name, wanted: { turns: question, outputMaximum: 4000, ...more }, arrives: members, answer: plain, returns: ["text", "finish", "usage"] };
}

/** The answer of a model that was made to call: there are clients that check it. */
function calledBack(call: NonNullable<Answer["calls"]>[number]): Pick<Feature, "answer" | "returns"> {
  return { answer: { ...called, calls: [call] }, returns: ["calls"] };
}

/** A plain question that is answered so. */
function answers(name: string, answer: Answer, ...returns: readonly (keyof Answer)[]): Feature {
  return { name, wanted: { turns: question, outputMaximum: 4000, ...(answer.calls === undefined ? {} : { tools: [flow, level] }) }, arrives: ["turns"], answer, returns };
}

export const features: readonly Feature[] = [
  asks("text", {}, "turns"),
  asks("system prompt", { system: "Answer in one sentence." }),
  asks("several turns", { turns: [...question, { role: "assistant", parts: [{ text: "A low wall." }] }, { role: "user", parts: [{ text: "What for?" }] }] }),
  asks("image as data", { turns: [{ role: "user", parts: [{ text: "What is this?" }, { image: pixel }] }] }),
  asks("image by address", { turns: [{ role: "user", parts: [{ text: "What is this?" }, { image: "https://example.com/weir.png" }] }] }),
  asks("PDF as data", { turns: [{ role: "user", parts: [{ text: "Sum it up." }, { document: page }] }] }),
  asks("prompt-cache marker", { turns: [{ role: "user", parts: [{ text: "A long text.", isCacheEnd: true }, { text: "Sum it up." }] }] }),
  asks("tools", { tools: [flow, level] }),
  asks("no tool call", { tools: [flow], toolChoice: "none" }),
  { ...asks("any tool call", { tools: [flow], toolChoice: "required" }), ...calledBack(askAare) },
  { ...asks("a certain tool call", { tools: [flow, level], toolChoice: { name: "get_level" } }), ...calledBack(askReuss) },
  asks("one call at a time", { tools: [flow, level], oneCallAtATime: true }),
  answers("tool call", called, "calls", "finish", "usage"),
  answers("parallel tool calls", { ...called, calls: [askAare, askReuss] }, "calls", "finish", "usage"),
  answers("text and a tool call", { ...called, text: "I look it up." }, "text", "calls", "finish"),
  asks("tool results", {
    tools: [flow, level],
    turns: [
      ...question,
      { role: "assistant", parts: [{ call: askAare }, { call: askReuss }] },
      { role: "user", parts: [{ result: { id: askAare.id, text: "120 m³/s" } }, { result: { id: askReuss.id, text: "3 m" } }] },
    ],
  }),
  asks("tool results beside the user's words", {
    tools: [flow],
    turns: [
      ...question,
      { role: "assistant", parts: [{ text: "I look it up." }, { call: askAare }] },
      { role: "user", parts: [{ result: { id: askAare.id, text: "120 m³/s" } }, { text: "Is that much?" }] },
    ],
  }),
  asks("failed tool", {
    tools: [flow],
    turns: [...question, { role: "assistant", parts: [{ call: askAare }] }, { role: "user", parts: [{ result: { id: askAare.id, text: "The gauge is broken.", isError: true } }] }],
  }),
  { ...asks("JSON Schema", { jsonSchema: parameters }), answer: { ...plain, text: '{"river":"Aare"}' } },
  asks("reasoning effort", { effort: "high" }),
  asks("reasoning bound in tokens", { reasoningTokens: 2000 }),
  answers("reasoning in the reply", { ...plain, reasoning: thought }, "reasoning", "text", "finish"),
  answers("reasoning and a tool call", { ...called, reasoning: thought }, "reasoning", "calls", "finish"),
  asks("reasoning sent back", {
    tools: [flow],
    turns: [...question, { role: "assistant", parts: [{ reasoning: thought.text, signature: thought.signature }, { call: askAare }] }, { role: "user", parts: [{ result: { id: askAare.id, text: "120 m³/s" } }] }],
  }),
  asks("output maximum", { outputMaximum: 777 }),
  asks("temperature", { temperature: 0.25 }),
  asks("top_p", { topP: 0.75 }),
  asks("top_k", { topK: 40 }),
  asks("seed", { seed: 7 }),
  asks("stop sequences", { stop: ["END", "STOP"] }),
  asks("presence penalty", { presencePenalty: 0.5 }),
  asks("frequency penalty", { frequencyPenalty: 0.5 }),
  asks("end user", { user: "user-4711" }),
  answers("cut at the maximum", { ...plain, finish: "length" }, "text", "finish"),
  answers("refusal by a filter", { ...plain, text: "I", finish: "refused" }, "finish"),
  answers("cached input", { ...plain, usage: { input: 21, cached: 16, output: 9, reasoning: 0 } }, "usage"),
  answers("reasoning tokens", { ...plain, usage: { input: 21, cached: 0, output: 9, reasoning: 5 } }, "usage"),
];
