/** Owns replies of Anthropic for the tests, typed by its own SDK, so that a change of shape fails to compile. */
import type { ContentBlock, Message, RawMessageStreamEvent, TextBlock, ToolUseBlock, Usage } from "@anthropic-ai/sdk/resources/messages";

export const usage = {
  input_tokens: 100,
  cache_read_input_tokens: 30,
  cache_creation_input_tokens: 50,
  cache_creation: { ephemeral_5m_input_tokens: 40, ephemeral_1h_input_tokens: 10 },
  output_tokens: 70,
  output_tokens_details: { thinking_tokens: 20 },
  server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 },
  service_tier: "priority",
  inference_geo: null,
  speed: null,
} satisfies Usage;

const citation = {
  type: "page_location",
  cited_text: "the sky is blue",
  document_index: 1,
  document_title: "Skies",
  start_page_number: 2,
  end_page_number: 3,
  file_id: null,
} satisfies NonNullable<TextBlock["citations"]>[number];

const redacted = { type: "redacted_thinking", data: "b3BhcXVl" } satisfies ContentBlock;
const search = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "sky" }, caller: { type: "direct" } } satisfies ContentBlock;
const found = {
  type: "web_search_tool_result",
  tool_use_id: "srvtoolu_1",
  caller: { type: "direct" },
  content: [{ type: "web_search_result", title: "Sky", url: "https://sky.example", encrypted_content: "eA==", page_age: null }],
} satisfies ContentBlock;
const paint = { type: "tool_use", id: "toolu_1", name: "paint", input: { colour: "blau 🎨" }, caller: { type: "direct" } } satisfies ToolUseBlock;
const stop = { type: "tool_use", id: "toolu_2", name: "stop", input: {}, caller: { type: "direct" } } satisfies ToolUseBlock;

const blocks = [
  { type: "thinking", thinking: "Let me see…", signature: "c2ln" },
  redacted,
  search,
  found,
  { type: "text", text: "The sky is blue — “blau”.", citations: [citation] },
] satisfies ContentBlock[];

/** A reply with a block of every kind that types tell apart. */
export const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-opus-5-5",
  content: [...blocks, paint, stop],
  stop_reason: "tool_use",
  stop_sequence: null,
  stop_details: null,
  container: null,
  diagnostics: null,
  usage,
} satisfies Message;

/** The same reply as a stream. */
export const streamEvents = [
  {
    type: "message_start",
    message: { ...message, content: [], stop_reason: null, usage: { ...usage, output_tokens: 1, output_tokens_details: null, server_tool_use: null } },
  },
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Let me " } },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "see…" } },
  { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "c2ln" } },
  { type: "content_block_stop", index: 0 },
  { type: "content_block_start", index: 1, content_block: redacted },
  { type: "content_block_stop", index: 1 },
  { type: "content_block_start", index: 2, content_block: { ...search, input: {} } },
  { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: '{"query":' } },
  { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: '"sky"}' } },
  { type: "content_block_stop", index: 2 },
  { type: "content_block_start", index: 3, content_block: found },
  { type: "content_block_stop", index: 3 },
  { type: "content_block_start", index: 4, content_block: { type: "text", text: "", citations: [] } },
  { type: "content_block_delta", index: 4, delta: { type: "citations_delta", citation } },
  { type: "content_block_delta", index: 4, delta: { type: "text_delta", text: "The sky is blue" } },
  { type: "content_block_delta", index: 4, delta: { type: "text_delta", text: " — “blau”." } },
  { type: "content_block_stop", index: 4 },
  { type: "content_block_start", index: 5, content_block: { ...paint, input: {} } },
  { type: "content_block_delta", index: 5, delta: { type: "input_json_delta", partial_json: '{"colour":"bl' } },
  { type: "content_block_delta", index: 5, delta: { type: "input_json_delta", partial_json: 'au 🎨"}' } },
  { type: "content_block_stop", index: 5 },
  { type: "content_block_start", index: 6, content_block: stop },
  { type: "content_block_delta", index: 6, delta: { type: "input_json_delta", partial_json: "" } },
  { type: "content_block_stop", index: 6 },
  {
    type: "message_delta",
    delta: { stop_reason: "tool_use", stop_sequence: null, stop_details: null, container: null },
    usage: {
      input_tokens: null,
      cache_read_input_tokens: null,
      cache_creation_input_tokens: null,
      output_tokens: 70,
      output_tokens_details: usage.output_tokens_details,
      server_tool_use: usage.server_tool_use,
    },
  },
  { type: "message_stop" },
] as const satisfies readonly RawMessageStreamEvent[];

/** Events as they go over the wire. */
export function toBytes(events: readonly { readonly type: string }[]): Buffer {
  return Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
}
