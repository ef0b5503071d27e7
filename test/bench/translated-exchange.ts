/** Owns the bytes of the exchange that Weir translates: an agent's turn in Anthropic's dialect, answered by an upstream that speaks Gemini's, with thoughts and a call. */
import { usagePerReply } from "./exchange.ts";

/** What the upstream's model is called. */
export const translatedModel = "bench-gemini";
/** What the caller asks for. */
export const translatedRoute = "bench-translated";

/** Above what the model may think: the rest tells the upstream how many chunks to send. */
const thinkingTokens = 2_000;
const schema = { type: "object", properties: { river: { type: "string" }, unit: { type: "string", enum: ["m3/s", "l/s"] } }, required: ["river"] };
const question = "How does a weir measure the flow of a river? ".repeat(10);
const input = { river: "Aare", unit: "m3/s" };

/** The caller's request, as Weir gets it. */
export function callerRequest(chunks: number): { readonly path: string; readonly body: Buffer } {
  const body = {
    model: translatedRoute,
    max_tokens: thinkingTokens + chunks,
    system: [{ type: "text", text: "You answer in one paragraph." }],
    tools: [{ name: "get_flow", description: "How much water a river carries.", input_schema: schema }],
    messages: [
      { role: "user", content: [{ type: "text", text: question }] },
      { role: "assistant", content: [{ type: "text", text: "I look it up." }, { type: "tool_use", id: "toolu_1", name: "get_flow", input }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: "120" }] },
    ],
    ...(chunks === 0 ? {} : { stream: true }),
  };
  return { path: "/v1/messages", body: Buffer.from(JSON.stringify(body)) };
}

/** The same in the upstream's form, for those who ask it without Weir. */
export function upstreamRequest(chunks: number): { readonly path: string; readonly body: Buffer } {
  const body = {
    systemInstruction: { parts: [{ text: "You answer in one paragraph." }] },
    tools: [{ functionDeclarations: [{ name: "get_flow", description: "How much water a river carries.", parametersJsonSchema: schema }] }],
    contents: [
      { role: "user", parts: [{ text: question }] },
      { role: "model", parts: [{ text: "I look it up." }, { functionCall: { id: "toolu_1", name: "get_flow", args: input } }] },
      { role: "user", parts: [{ functionResponse: { id: "toolu_1", name: "get_flow", response: { output: "120" } } }] },
    ],
    generationConfig: { maxOutputTokens: thinkingTokens + chunks },
  };
  const verb = chunks === 0 ? "generateContent" : "streamGenerateContent?alt=sse";
  return { path: `/v1beta/models/${translatedModel}:${verb}`, body: Buffer.from(JSON.stringify(body)) };
}

/** The chunks that a request to the upstream asks for; undefined for one of another API. */
export function translatedChunksAskedFor(path: string, body: Buffer): number | undefined {
  if (!path.startsWith("/v1beta/")) return undefined;
  return path.includes("stream") ? Number(/"maxOutputTokens":(\d+)/.exec(body.toString("latin1"))![1]) - thinkingTokens : 0;
}

const { inputTokens, outputTokens } = usagePerReply;
const ending = {
  finishReason: "STOP",
  usageMetadata: { promptTokenCount: inputTokens, candidatesTokenCount: outputTokens, totalTokenCount: inputTokens + outputTokens },
};
const thought = { text: " water", thought: true };
const text = { text: " water" };
const call = { functionCall: { id: "call_1", name: "get_flow", args: input }, thoughtSignature: "c2lnbmVkIGJ5IHRoZSB2ZW5kb3I=" };

export const translatedWholeReply = Buffer.from(JSON.stringify(responseOf([{ ...thought, text: " water".repeat(40) }, { text: " water".repeat(40) }, call], true)));

/** The content events of a stream: thoughts first, then as many pieces of text. */
export function translatedContentEvent(place: number, chunks: number): Buffer {
  return eventOf(responseOf([place < chunks / 2 ? thought : text], false));
}

export const translatedLastEvent = eventOf(responseOf([call], true));

export function translatedUpstreamBody(chunks: number): Buffer {
  if (chunks === 0) return translatedWholeReply;
  return Buffer.concat([...Array.from({ length: chunks }, (_, place) => translatedContentEvent(place, chunks)), translatedLastEvent]);
}

/** True when a body holds all that the upstream said, in the caller's dialect. */
export function isTranslation(body: Buffer, chunks: number): boolean {
  const reply = body.toString();
  const words = reply.split(" water").length - 1;
  return words === (chunks === 0 ? 80 : chunks) && reply.includes('"tool_use"') && reply.includes("get_flow") && reply.trimEnd().endsWith(chunks === 0 ? "}" : '{"type":"message_stop"}');
}

function responseOf(parts: readonly object[], isLast: boolean): object {
  const { finishReason, usageMetadata } = ending;
  return { candidates: [{ content: { parts, role: "model" }, index: 0, ...(isLast ? { finishReason } : {}) }], ...(isLast ? { usageMetadata } : {}), modelVersion: translatedModel, responseId: "Qm9uYXBhcnRlMDEyMzQ1Njc4" };
}

function eventOf(response: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(response)}\r\n\r\n`);
}
