/**
 * Owns replies of Bedrock for the tests, written from https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
 * and …/API_runtime_ConverseStream.html and the types that they refer to.
 */
import { EventStreamCodec } from "@smithy/eventstream-codec";

export const usage = {
  inputTokens: 100,
  outputTokens: 70,
  totalTokens: 250,
  cacheReadInputTokens: 30,
  cacheWriteInputTokens: 50,
  cacheDetails: [
    { ttl: "1h", inputTokens: 10 },
    { ttl: "5m", inputTokens: 40 },
  ],
};

const citation = {
  title: "Skies",
  source: "skies.pdf",
  sourceContent: [{ text: "the sky " }, { text: "is blue" }],
  location: { documentPage: { documentIndex: 1, start: 2, end: 3 } },
};
const grounding = { toolUse: { toolUseId: "tooluse_own", name: "nova_grounding", type: "server_tool_use", input: { query: "sky" } } };
const found = { toolResult: { toolUseId: "tooluse_own", status: "success", type: "nova_grounding_result", content: [{ text: "blue" }, { json: { score: 1 } }] } };

/** A reply with a block of every kind that types tell apart. */
export const reply = {
  output: {
    message: {
      role: "assistant",
      content: [
        { reasoningContent: { reasoningText: { text: "Let me see…", signature: "c2ln" } } },
        { reasoningContent: { redactedContent: "b3BhcXVl" } },
        grounding,
        found,
        { citationsContent: { content: [{ text: "The sky is blue — " }, { text: "“blau”." }], citations: [citation] } },
        { image: { format: "png", source: { bytes: "iVBORw0K" } } },
        { text: "So I paint." },
        { toolUse: { toolUseId: "tooluse_1", name: "paint", input: { colour: "blau 🎨" } } },
        { toolUse: { toolUseId: "tooluse_2", name: "stop", input: {} } },
      ],
    },
  },
  stopReason: "tool_use",
  usage,
  metrics: { latencyMs: 12 },
  serviceTier: { type: "priority" },
};

export interface StreamEvent {
  readonly type: string;
  readonly payload: object;
}

/** The same reply as a stream; `p` is padding against those who measure lengths. */
export const streamEvents: readonly StreamEvent[] = [
  { type: "messageStart", payload: { p: "abcd", role: "assistant" } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 0, delta: { reasoningContent: { text: "Let me " } }, p: "abc" } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 0, delta: { reasoningContent: { text: "see…" } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 0, delta: { reasoningContent: { signature: "c2ln" } } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 0 } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 1, delta: { reasoningContent: { redactedContent: "b3A=" } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 1, delta: { reasoningContent: { redactedContent: "YXF1ZQ==" } } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 1 } },
  { type: "contentBlockStart", payload: { contentBlockIndex: 2, start: { toolUse: { toolUseId: "tooluse_own", name: "nova_grounding", type: "server_tool_use" } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 2, delta: { toolUse: { input: '{"query":' } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 2, delta: { toolUse: { input: '"sky"}' } } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 2 } },
  { type: "contentBlockStart", payload: { contentBlockIndex: 3, start: { toolResult: { toolUseId: "tooluse_own", status: "success", type: "nova_grounding_result" } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 3, delta: { toolResult: [{ text: "blue" }] } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 3, delta: { toolResult: [{ json: { score: 1 } }] } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 3 } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 4, delta: { text: "The sky is blue" } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 4, delta: { text: " — “blau”." } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 4, delta: { citation } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 4 } },
  { type: "contentBlockStart", payload: { contentBlockIndex: 5, start: { image: { format: "png" } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 5, delta: { image: { source: { bytes: "iVBO" } } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 5, delta: { image: { source: { bytes: "Rw0K" } } } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 5 } },
  { type: "contentBlockStart", payload: { contentBlockIndex: 6, start: {} } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 6, delta: { text: "So I paint." } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 6 } },
  { type: "contentBlockStart", payload: { contentBlockIndex: 7, start: { toolUse: { toolUseId: "tooluse_1", name: "paint" } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 7, delta: { toolUse: { input: '{"colour":"bl' } } } },
  { type: "contentBlockDelta", payload: { contentBlockIndex: 7, delta: { toolUse: { input: 'au 🎨"}' } } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 7 } },
  { type: "contentBlockStart", payload: { contentBlockIndex: 8, start: { toolUse: { toolUseId: "tooluse_2", name: "stop" } } } },
  { type: "contentBlockStop", payload: { contentBlockIndex: 8 } },
  { type: "messageStop", payload: { stopReason: "tool_use" } },
  { type: "metadata", payload: { usage, metrics: { latencyMs: 12 }, serviceTier: { type: "priority" } } },
];

const codec = new EventStreamCodec(String, (text) => Buffer.from(text));

/** A message as it goes over the wire. */
export function message(headers: Readonly<Record<string, string>>, body: string): Buffer {
  const typed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, { type: "string" as const, value }]));
  return Buffer.from(codec.encode({ headers: typed, body: Buffer.from(body) }));
}

/** Events as they go over the wire. */
export function toBytes(events: readonly StreamEvent[]): Buffer {
  return Buffer.concat(events.map(({ type, payload }) => message({ ":event-type": type, ":content-type": "application/json", ":message-type": "event" }, JSON.stringify(payload))));
}
