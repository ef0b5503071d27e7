/** Owns the proof that tools work whose names the vendor refuses: those of MCP servers, with dots, or longer than it allows. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let openai: ScriptedProvider;
let anthropic: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  openai = await startScriptedProvider(json(500, {}));
  anthropic = await startScriptedProvider(json(500, {}));
  const config = `providers:
  oai: { vendor: openai, api_key: sk-o, base_url: "${openai.baseUrl}", models: [gpt-4.1] }
  ant: { vendor: anthropic, api_key: sk-a, base_url: "${anthropic.baseUrl}", models: [claude-sonnet-4-5] }
`;
  weir = await startWeir({ config });
});
afterAll(async () => {
  await weir?.stop();
  await openai?.stop();
  await anthropic?.stop();
});

const parameters = { type: "object", properties: {} } as const;
const longName = "mcp__plugin_chrome-devtools-mcp_chrome-devtools__performance_analyze_insight";
const dottedName = "gauge.flow/read";

test.each([false, true])("76 characters, from Messages to OpenAI, there and back and there again; as a stream: %s", async (stream) => {
  openai.answerWith((request, response) => {
    const { tools, messages } = JSON.parse(request.body.toString()) as { tools: [{ function: { name: string } }]; messages: { tool_calls?: [{ function: { name: string } }] }[] };
    const { name } = tools[0].function;
    const refused = [name, ...messages.flatMap(({ tool_calls: calls }) => calls ?? []).map((call) => call.function.name)].find((one) => !/^[a-zA-Z0-9_-]{1,64}$/.test(one));
    if (refused !== undefined) return json(400, { error: { message: `string too long: ${refused}`, type: "invalid_request_error", param: null, code: null } })(request, response);
    const call = { index: 0, id: "call_1", type: "function", function: { name, arguments: "{}" } };
    const head = { id: "c", created: 1, model: "gpt-4.1" };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const chunk = (delta: object, finish: string | null): string => `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }], usage: finish === null ? null : usage })}\n\n`;
    const whole = { ...head, object: "chat.completion", choices: [{ index: 0, finish_reason: "tool_calls", message: { role: "assistant", content: null, tool_calls: [call] } }], usage };
    return (stream ? eventStream([chunk({ role: "assistant", tool_calls: [call] }, null), chunk({}, "tool_calls"), "data: [DONE]\n\n"]) : json(200, whole))(request, response);
  });
  const client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
  const messages: Anthropic.MessageParam[] = [{ role: "user", content: "Why is it slow?" }];
  for (let round = 0; round < 2; round++) {
    const asked: Anthropic.MessageCreateParamsNonStreaming = { model: "oai/gpt-4.1", max_tokens: 100, tools: [{ name: longName, input_schema: parameters }], tool_choice: { type: "tool", name: longName }, messages };
    const { content } = stream ? await client.messages.stream(asked).finalMessage() : await client.messages.create(asked);
    expect(content).toMatchObject([{ type: "tool_use", id: "call_1", name: longName, input: {} }]);
    messages.push({ role: "assistant", content }, { role: "user", content: [{ type: "tool_result", tool_use_id: "call_1", content: "A long task." }] });
  }
  const [first, second] = openai.requests.slice(-2).map(({ body }) => JSON.parse(body.toString()) as { tools: { function: { name: string } }[]; tool_choice: { function: { name: string } }; messages: { tool_calls?: { function: { name: string } }[] }[] });
  const sent = first!.tools[0]!.function.name;
  expect(sent).toMatch(/^mcp__plugin_chrome-devtools-mcp_chrome-devtools__perfor_[0-9a-f]{8}$/);
  expect(first!.tool_choice.function.name).toBe(sent);
  expect(second!.tools[0]!.function.name).toBe(sent);
  expect(second!.messages[1]!.tool_calls![0]!.function.name).toBe(sent);
});

test("dots and slashes, from Chat Completions to Anthropic; what it takes goes as it is", async () => {
  anthropic.answerWith((request, response) => {
    const { tools } = JSON.parse(request.body.toString()) as { tools: { name: string }[] };
    const content = tools.map(({ name }, index) => ({ type: "tool_use", id: `toolu_${index}`, name, input: {} }));
    return json(200, { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-5", content, stop_reason: "tool_use", stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 } })(request, response);
  });
  const client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
  const tools = [dottedName, longName].map((name) => ({ type: "function", function: { name, parameters } }) as const);
  const reply = await client.chat.completions.create({ model: "ant/claude-sonnet-4-5", messages: [{ role: "user", content: "How much water?" }], tools });
  expect(reply.choices[0]!.message.tool_calls).toMatchObject([{ function: { name: dottedName } }, { function: { name: longName } }]);
  const { tools: sent } = JSON.parse(anthropic.requests.at(-1)!.body.toString()) as { tools: { name: string }[] };
  expect(sent.map(({ name }) => name)).toEqual([expect.stringMatching(/^gauge_flow_read_[0-9a-f]{8}$/), longName]);
});
