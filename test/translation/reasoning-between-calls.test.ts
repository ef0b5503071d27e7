/** Owns the proof that a model of OpenAI's reasons beside tools in other dialects than its own, and gets back what it reasoned between their calls, byte for byte. */
import Anthropic from "@anthropic-ai/sdk";
import { FunctionCallingConfigMode, GoogleGenAI, ThinkingLevel, type Content, type GenerateContentResponse, type Part } from "@google/genai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let vendor: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(500, {}));
  weir = await startWeir({ config: `providers:\n  oai: { vendor: openai, api_key: sk-o, base_url: "${vendor.baseUrl}", models: [gpt-5.6], responses_api: true }\n` });
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
});

const encrypted = "gAAAAABo-_x/+y==";
const reasoning = { id: "rs_0a1b", type: "reasoning", summary: [{ type: "summary_text", text: "Ask the gauge." }], encrypted_content: encrypted };
const called = { id: "fc_1", type: "function_call", status: "completed", call_id: "call_1", name: "get_flow", arguments: '{"river":"Aare"}' };
const said = { id: "msg_1", type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: "120 m³/s.", annotations: [] }] };
const head = { id: "resp_1", object: "response", created_at: 1_700_000_000, model: "gpt-5.6-2026", status: "completed", service_tier: "default", error: null, incomplete_details: null };
const usage = { input_tokens: 30, input_tokens_details: { cached_tokens: 10 }, output_tokens: 20, output_tokens_details: { reasoning_tokens: 8 }, total_tokens: 50 };
const whole = (...output: object[]): object => ({ ...head, output, usage });

function streamed(...output: object[]): string[] {
  return [
    { type: "response.created", response: { ...head, status: "in_progress", output: [] } },
    ...output.flatMap((item, output_index) => [
      { type: "response.output_item.added", output_index, item: { ...item, ...("summary" in item ? { summary: [], encrypted_content: "gEarly" } : {}), ...("arguments" in item ? { arguments: "" } : {}) } },
      ...("arguments" in item ? [{ type: "response.function_call_arguments.delta", output_index, delta: item.arguments }] : []),
      ...("summary" in item ? [{ type: "response.reasoning_summary_text.delta", output_index, summary_index: 0, delta: "Ask the gauge." }] : []),
      { type: "response.output_item.done", output_index, item },
    ]),
    { type: "response.completed", response: whole(...output) },
  ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** Lets the vendor call its tool, and then answer; resolves with what it was asked in both rounds. */
async function twoRounds(stream: boolean, run: () => Promise<void>): Promise<readonly { readonly path: string; readonly body: Record<string, unknown> }[]> {
  const first = vendor.requests.length;
  vendor.answerWith((request, response) => {
    const output = request.body.includes("function_call_output") ? [said] : [reasoning, called];
    void (stream ? eventStream(streamed(...output)) : json(200, whole(...output)))(request, response);
  });
  await run();
  const requests = await Promise.all([vendor.request(first), vendor.request(first + 1)]);
  return requests.map(({ path, body }) => ({ path, body: JSON.parse(body.toString()) as Record<string, unknown> }));
}

const parameters = { type: "object", properties: { river: { type: "string" } }, required: ["river"] };

/** What both rounds of every dialect come to. */
function expectRounds(rounds: Awaited<ReturnType<typeof twoRounds>>, stream: boolean): void {
  const always = { model: "gpt-5.6", store: false, include: ["reasoning.encrypted_content"], max_output_tokens: 4000, reasoning: { effort: "high", summary: "auto" }, tools: [{ type: "function", name: "get_flow", parameters }] };
  expect(rounds.map(({ path }) => path)).toEqual(["/v1/responses", "/v1/responses"]);
  for (const { body } of rounds) expect(body).toMatchObject({ ...always, ...(stream ? { stream: true } : {}) });
  const [question, ...turn] = rounds[1]!.body["input"] as object[];
  expect(rounds[0]!.body["input"]).toEqual([question]);
  expect(turn).toEqual([
    reasoning,
    { type: "function_call", call_id: "call_1", name: "get_flow", arguments: '{"river":"Aare"}' },
    { type: "function_call_output", call_id: "call_1", output: "120 m³/s" },
  ]);
}

test.each([false, true])("Messages, by Anthropic's SDK; as a stream: %s", async (stream) => {
  const warnings: (string | null)[] = [];
  const watched: typeof fetch = async (...args) => {
    const response = await fetch(...args);
    warnings.push(response.headers.get("x-weir-warnings"));
    return response;
  };
  const client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0, fetch: watched });
  const messages: Anthropic.MessageParam[] = [{ role: "user", content: "How much water?" }];
  const ask = async (): Promise<Anthropic.Message> => {
    const asked: Anthropic.MessageCreateParamsNonStreaming = {
      model: "oai/gpt-5.6",
      max_tokens: 4000,
      thinking: { type: "adaptive", display: "summarized" },
      output_config: { effort: "high" },
      tools: [{ name: "get_flow", input_schema: parameters as Anthropic.Tool.InputSchema }],
      messages,
    };
    return stream ? await client.messages.stream(asked).finalMessage() : await client.messages.create(asked);
  };
  const rounds = await twoRounds(stream, async () => {
    const { content, stop_reason: reason } = await ask();
    expect(reason).toBe("tool_use");
    expect(content).toMatchObject([{ type: "thinking", thinking: "Ask the gauge." }, { type: "tool_use", id: "call_1", name: "get_flow", input: { river: "Aare" } }]);
    messages.push({ role: "assistant", content }, { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "120 m³/s" }] });
    const answer = await ask();
    expect(answer).toMatchObject({ stop_reason: "end_turn", content: [{ type: "text", text: "120 m³/s." }], usage: { input_tokens: 20, cache_read_input_tokens: 10, output_tokens: 20 } });
  });
  expectRounds(rounds, stream);
  expect(warnings).toEqual([null, null]);
});

test.each([false, true])("Gemini's dialect, by Google's SDK; as a stream: %s", async (stream) => {
  const client = new GoogleGenAI({ apiKey: weir.inferenceKey, httpOptions: { baseUrl: weir.origin, retryOptions: { attempts: 1 } } });
  const contents: Content[] = [{ role: "user", parts: [{ text: "How much water?" }] }];
  const warnings: unknown[] = [];
  const ask = async (): Promise<Part[]> => {
    const asked = {
      model: "oai/gpt-5.6",
      contents,
      config: {
        maxOutputTokens: 4000,
        thinkingConfig: { thinkingLevel: ThinkingLevel.HIGH, includeThoughts: true },
        tools: [{ functionDeclarations: [{ name: "get_flow", parametersJsonSchema: parameters }] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.AUTO } },
      },
    };
    const replies: GenerateContentResponse[] = [];
    if (!stream) replies.push(await client.models.generateContent(asked));
    else for await (const reply of await client.models.generateContentStream(asked)) replies.push(reply);
    warnings.push(...replies.map(({ sdkHttpResponse }) => sdkHttpResponse?.headers?.["x-weir-warnings"]));
    return replies.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
  };
  const rounds = await twoRounds(stream, async () => {
    const parts = await ask();
    // Its Python client takes nothing else.
    for (const { thoughtSignature } of parts) expect(thoughtSignature ?? "").toMatch(/^[A-Za-z0-9+/]*=*$/);
    contents.push({ role: "model", parts }, { role: "user", parts: [{ functionResponse: { id: "call_1", name: "get_flow", response: { output: "120 m³/s" } } }] });
    expect((await ask()).map(({ text }) => text ?? "").join("")).toBe("120 m³/s.");
  });
  expectRounds(rounds, stream);
  expect(warnings.filter((warning) => warning !== undefined)).toEqual([]);
});

test("what was consumed stands in the ledger once, reasoning apart; a stream without its end is estimated", async () => {
  const client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
  const asked: Anthropic.MessageCreateParamsNonStreaming = { model: "oai/gpt-5.6", max_tokens: 4000, messages: [{ role: "user", content: "How much water?" }] };
  vendor.answerWith(json(200, whole(reasoning, said)));
  const { response } = await client.messages.create(asked).withResponse();
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  expect(attempt!.event!.rank).toBe(UsageSource.PROVIDER);
  expect(attempt!.event!.outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.INPUT_TOKENS, 20n], [Meter.CACHED_INPUT_TOKENS, 10n], [Meter.OUTPUT_TOKENS, 12n], [Meter.REASONING_OUTPUT_TOKENS, 8n]]);

  vendor.answerWith(eventStream(streamed(reasoning, said).slice(0, -1)));
  const cut = await client.messages.create({ ...asked, stream: true }).withResponse();
  const hearAll = async (): Promise<void> => {
    for await (const event of cut.data) expect(event.type).not.toBe("message_stop");
  };
  await expect(hearAll()).rejects.toThrow(/ended before its end|broke off/);
  const [estimated] = await weir.attempts(1, { requestId: cut.response.headers.get("x-request-id")! });
  expect(estimated!.event).toMatchObject({ rank: UsageSource.ESTIMATED });
});
