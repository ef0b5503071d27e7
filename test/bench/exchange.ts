/** Owns the bytes of the bench: the request, and the replies that the upstream sends and the loader expects. */

/** What the upstream's model is called. */
export const model = "bench-model";
/** What the caller asks for: Weir knows it as a route, the upstream does not care. */
export const route = "bench";
export const chunkIntervalMs = 5;
/** What the upstream reports with every reply. */
export const usagePerReply = { inputTokens: 210, outputTokens: 64 };

const { inputTokens, outputTokens } = usagePerReply;
const usage = {
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
};
const common = { id: "chatcmpl-C0ffee0123456789abcdefghijklm", created: 1_760_000_000, model: `${model}-2026-01-01`, service_tier: "default", system_fingerprint: "fp_0123456789" };
const message = { role: "assistant", content: "A weir raises the water and lets it fall over a known edge. ".repeat(8), refusal: null, annotations: [] };

/** 1 KB of JSON. */
export const wholeReply = Buffer.from(JSON.stringify({ ...common, object: "chat.completion", choices: [{ index: 0, message, logprobs: null, finish_reason: "stop" }], usage }));

/** An event with a piece of the content: about 290 bytes. */
export const contentEvent = eventOf({ choices: [{ index: 0, delta: { content: " water" }, logprobs: null, finish_reason: null }], usage: null, obfuscation: "x".repeat(24) });

/** The events that end a stream: why it ends, the usage, [DONE]. */
export const lastEvents = Buffer.concat([
  eventOf({ choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }], usage: null }),
  eventOf({ choices: [], usage }),
  Buffer.from("data: [DONE]\n\n"),
]);

/** The body of the reply with so many content chunks; of a whole reply, for 0. */
export function replyBody(chunks: number): Buffer {
  return chunks === 0 ? wholeReply : Buffer.concat([...Array.from({ length: chunks }, () => contentEvent), lastEvents]);
}

/** 1 KB of JSON. Pass-through changes the model alone, so a stream's `max_tokens` tells the upstream how many chunks to send. */
export function requestBody(chunks: number): Buffer {
  const messages = [
    { role: "system", content: "You answer in one paragraph." },
    { role: "user", content: "How does a weir measure the flow of a river? ".repeat(19) },
  ];
  const streaming = chunks === 0 ? {} : { stream: true, stream_options: { include_usage: true } };
  return Buffer.from(JSON.stringify({ model: route, messages, temperature: 0.2, max_tokens: chunks === 0 ? outputTokens : chunks, ...streaming }));
}

/** The chunks that a request asks for; 0 for a whole reply. */
export function chunksAskedFor(body: Buffer): number {
  return body.includes('"stream":true') ? Number(/"max_tokens":(\d+)/.exec(body.toString("latin1"))![1]) : 0;
}

function eventOf(rest: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify({ ...common, object: "chat.completion.chunk", ...rest })}\n\n`);
}
