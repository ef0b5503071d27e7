/** Owns the proof that a conversation in Gemini's dialect goes on at whichever target of a route answers: no vendor is shown what another one signed. */
import { GoogleGenAI, type Content, type GenerateContentResponse, type Part } from "@google/genai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let google: ScriptedProvider;
let anthropic: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  google = await startScriptedProvider(json(503, {}));
  anthropic = await startScriptedProvider(json(503, {}));
  weir = await startWeir({
    config: `
providers:
  google: { vendor: gemini, api_key: k, base_url: "${google.baseUrl}", models: [gemini-3.8-flash] }
  anthropic: { vendor: anthropic, api_key: k, base_url: "${anthropic.baseUrl}", models: [claude-sonnet-4-5] }
routes: { chat: { targets: [google/gemini-3.8-flash, anthropic/claude-sonnet-4-5] } }
breaker: { minimum_calls: 1000 }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([google?.stop(), anthropic?.stop()]);
});

const down = json(503, {});
const anthropics = "EqQBCkYIBxgCKkBc+/8=";
const googles = "CsIBAVSoXO5vZ2Vt";

const claude = { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-5", stop_reason: "tool_use", usage: { input_tokens: 1, output_tokens: 1 } };
const thinking = { type: "thinking", thinking: "Ask the gauge.", signature: anthropics };
const toolUse = { type: "tool_use", id: "toolu_1", name: "get_flow", input: { river: "Aare" } };
const claudeEvents = [
  { type: "message_start", message: { ...claude, content: [], stop_reason: null } },
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: thinking.thinking } },
  { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: anthropics } },
  { type: "content_block_stop", index: 0 },
  { type: "content_block_start", index: 1, content_block: { ...toolUse, input: {} } },
  { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: JSON.stringify(toolUse.input) } },
  { type: "content_block_stop", index: 1 },
  { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 1 } },
  { type: "message_stop" },
].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
const functionCall = { functionCall: { id: "fc_1", name: "get_flow", args: { river: "Aare" } }, thoughtSignature: googles };
const gemini = { candidates: [{ content: { role: "model", parts: [functionCall] }, finishReason: "STOP", index: 0 }], usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 1, totalTokenCount: 2 } };

const question: Content = { role: "user", parts: [{ text: "How much water?" }] };
const result = (id: string): Content => ({ role: "user", parts: [{ functionResponse: { id, name: "get_flow", response: { output: "120 m³/s" } } }] });

async function ask(contents: Content[], stream: boolean): Promise<Part[]> {
  const client = new GoogleGenAI({ apiKey: weir.inferenceKey, httpOptions: { baseUrl: weir.origin, retryOptions: { attempts: 1 } } });
  const asked = { model: "chat", contents, config: { tools: [{ functionDeclarations: [{ name: "get_flow", parametersJsonSchema: { type: "object" } }] }] } };
  const replies: GenerateContentResponse[] = [];
  if (!stream) replies.push(await client.models.generateContent(asked));
  else for await (const reply of await client.models.generateContentStream(asked)) replies.push(reply);
  return replies.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
}

/** What the vendor was asked last. */
function askedOf(vendor: ScriptedProvider): { readonly contents: unknown; readonly messages: unknown } {
  return JSON.parse(vendor.requests.at(-1)!.body.toString()) as ReturnType<typeof askedOf>;
}

test.each([false, true])("what Claude said goes on at Gemini; as a stream: %s", async (stream) => {
  google.answerWith(down);
  anthropic.answerWith(stream ? eventStream(claudeEvents) : json(200, { ...claude, content: [thinking, toolUse] }));
  const parts = await ask([question], stream);
  google.answerWith(json(200, gemini));
  await ask([question, { role: "model", parts }, result("toolu_1")], false);
  const call = { functionCall: { id: "toolu_1", name: "get_flow", args: { river: "Aare" } }, thoughtSignature: "skip_thought_signature_validator" };
  const { contents } = askedOf(google) as { contents: { parts: object[] }[] };
  expect(JSON.stringify(contents)).not.toMatch(/d2Vpcj|EqQB/);
  expect(contents[1]!.parts.filter((part) => "functionCall" in part)).toEqual([call]);
  expect(contents.length).toBe(3);
  // At Claude it is still what it was.
  google.answerWith(down);
  await ask([question, { role: "model", parts }, result("toolu_1")], stream);
  expect(askedOf(anthropic).messages).toMatchObject([{ role: "user" }, { role: "assistant", content: [thinking, toolUse] }, { role: "user" }]);
});

test("what Gemini said goes on at Claude, and back at Gemini as it was", async () => {
  google.answerWith(json(200, gemini));
  anthropic.answerWith(json(200, { ...claude, content: [toolUse] }));
  const conversation: Content[] = [question, { role: "model", parts: await ask([question], false) }, result("fc_1")];
  google.answerWith(down);
  await ask(conversation, false);
  expect(askedOf(anthropic).messages).toMatchObject([{ role: "user" }, { role: "assistant", content: [{ type: "tool_use", id: "fc_1" }] }, { role: "user" }]);
  expect(JSON.stringify(askedOf(anthropic))).not.toContain(googles);
  google.answerWith(json(200, gemini));
  await ask(conversation, false);
  expect(askedOf(google).contents).toMatchObject([{ role: "user" }, { role: "model", parts: [functionCall] }, { role: "user" }]);
});
