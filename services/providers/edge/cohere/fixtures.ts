/** Owns replies of Cohere for tests; their form is that of V2ChatResponse and V2ChatStreamResponse in https://github.com/cohere-ai/cohere-typescript. */

export interface CohereEvent {
  readonly type: string;
  readonly [member: string]: unknown;
}

const source = { type: "document", id: "document:1", document: { id: "document:1", title: "Rivers", url: "https://rivers.example", text: "The Aare is wide." } };
const textCitation = { start: 4, end: 8, text: "Aare", sources: [source], content_index: 1, type: "TEXT_CONTENT" };
const planCitation = { start: 0, end: 6, text: "I look", sources: [{ type: "tool", id: "get_flow:0" }], type: "PLAN" };

const usage = { billed_units: { input_tokens: 12, output_tokens: 7 }, tokens: { input_tokens: 507, output_tokens: 10 }, cached_tokens: 448 };

export const message = {
  id: "e7592632",
  finish_reason: "TOOL_CALL",
  message: {
    role: "assistant",
    content: [
      { type: "thinking", thinking: "Hm, rivers." },
      { type: "text", text: "🌊🌊: Aare" },
    ],
    citations: [textCitation, planCitation],
    tool_plan: "I look it up.",
    tool_calls: [
      { id: "get_flow_1", type: "function", function: { name: "get_flow", arguments: '{"river":"Aare"}' } },
      { id: "now_2", type: "function", function: { name: "now", arguments: "null" } },
    ],
  },
  usage,
};

/** The same reply in a stream. */
export const streamEvents: readonly CohereEvent[] = [
  { type: "message-start", id: "e7592632", delta: { message: { role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] } } },
  contentStart(0, { type: "thinking", thinking: "" }),
  contentDelta(0, { thinking: "Hm, " }),
  contentDelta(0, { thinking: "rivers." }),
  { type: "content-end", index: 0 },
  contentStart(1, { type: "text", text: "" }),
  contentDelta(1, { text: "🌊🌊: " }),
  contentDelta(1, { text: "Aare" }),
  citation(0, textCitation),
  { type: "citation-end", index: 0 },
  { type: "content-end", index: 1 },
  plan("I look"),
  plan(" it up."),
  citation(1, planCitation),
  callStart(0, { id: "get_flow_1", type: "function", function: { name: "get_flow", arguments: "" } }),
  callDelta(0, '{"river"'),
  callDelta(0, ':"Aare"}'),
  { type: "tool-call-end", index: 0 },
  callStart(1, { id: "now_2", type: "function", function: { name: "now", arguments: "" } }),
  callDelta(1, "nu"),
  callDelta(1, "ll"),
  { type: "tool-call-end", index: 1 },
  messageEnd("TOOL_CALL"),
];

export function toBytes(events: readonly CohereEvent[]): Buffer {
  return Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
}

export function contentStart(index: number, content: object): CohereEvent {
  return { type: "content-start", index, delta: { message: { content } } };
}

export function contentDelta(index: number, content: object): CohereEvent {
  return { type: "content-delta", index, delta: { message: { content } } };
}

export function citation(index: number, citations: object): CohereEvent {
  return { type: "citation-start", index, delta: { message: { citations } } };
}

export function messageEnd(finish_reason: string, more: object = {}): CohereEvent {
  return { type: "message-end", delta: { finish_reason, usage, ...more } };
}

function plan(tool_plan: string): CohereEvent {
  return { type: "tool-plan-delta", delta: { message: { tool_plan } } };
}

function callStart(index: number, tool_calls: object): CohereEvent {
  return { type: "tool-call-start", index, delta: { message: { tool_calls } } };
}

function callDelta(index: number, written: string): CohereEvent {
  return { type: "tool-call-delta", index, delta: { message: { tool_calls: { function: { arguments: written } } } } };
}
