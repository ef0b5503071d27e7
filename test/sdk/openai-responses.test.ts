import OpenAI from "openai";
import type { Response, ResponseInputItem, ResponseStreamEvent, Tool } from "openai/resources/responses/responses";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventStream, json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { routes, said, startUpstreams, type Upstreams } from "../harness/upstreams.ts";

let upstreams: Upstreams;
let chat: ScriptedProvider;
let messages: ScriptedProvider;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  [chat, messages] = await Promise.all([startScriptedProvider(json(500, {})), startScriptedProvider(json(500, {}))]);
  upstreams = await startUpstreams();
  const [, mockUrl] = /vendor: openai,.*base_url: "([^"]+)"/.exec(upstreams.config)!;
  const added = `
  responses: { vendor: openai, base_url: "${mockUrl}", api_key: sk-responses, models: [gpt-test], responses_api: true }
  native: { vendor: openai, base_url: "${chat.baseUrl}", api_key: sk-native, models: [gpt-x], responses_api: true }
  chat: { vendor: openai, base_url: "${chat.baseUrl}", api_key: sk-chat, models: [gpt-x] }
  messages: { vendor: anthropic, base_url: "${messages.baseUrl}", api_key: sk-messages, models: [claude-x] }
routes:
  to-responses: { targets: [responses/gpt-test] }`;
  weir = await startWeir({ config: upstreams.config.replace("\nroutes:", added) });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([upstreams?.stop(), chat?.stop(), messages?.stop()]);
});

const tools: Tool[] = [
  { type: "function", name: said.toolName, description: "The flow of a river.", strict: false, parameters: { type: "object", properties: { river: { type: "string" }, unit: { type: "string" } }, required: ["river"] } },
];

describe.each([...routes, "to-responses"])("the openai SDK's Responses, %s", (model) => {
  test("gets a whole reply", async () => {
    const { data, response } = await client.responses.create({ model, input: said.question, instructions: "Be brief." }).withResponse();
    expect(data).toMatchObject({ object: "response", status: "completed", output_text: said.answer });
    expect(data.output).toMatchObject([{ type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: said.answer, annotations: [] }] }]);
    expect(data.usage).toMatchObject({ input_tokens: said.inputTokens, output_tokens: said.outputTokens, total_tokens: said.inputTokens + said.outputTokens });
    expect(response.headers.get("x-weir-target")).toMatch(/^(openai\/gpt|responses\/gpt|anthropic\/claude)-test$/);
  });

  test("gets the same in a stream, whose last event holds all", async () => {
    const events = await collect(await client.responses.create({ model, input: said.question, stream: true }));
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type !== "response.output_text.delta")).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.completed",
    ]);
    expect(events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("")).toBe(said.answer);
    expect(endOf(events)).toMatchObject({ status: "completed", usage: { input_tokens: said.inputTokens, output_tokens: said.outputTokens }, output: [{ content: [{ text: said.answer }] }] });
  });

  test("calls a tool and answers after its result", async () => {
    const input: ResponseInputItem[] = [{ role: "user", content: said.toolQuestion }];
    const first = await client.responses.create({ model, input, tools, store: false, include: ["reasoning.encrypted_content"] });
    const call = first.output.find((item) => item.type === "function_call")!;
    expect(call).toMatchObject({ name: said.toolName, status: "completed" });
    expect(JSON.parse(call.arguments)).toEqual(said.toolArguments);
    input.push(...(first.output as ResponseInputItem[]), { type: "function_call_output", call_id: call.call_id, output: "120 m³/s" });
    const second = await client.responses.create({ model, input, tools, store: false });
    expect(second.output_text).toBe(said.toolAnswer);
  });

  test("the SDK's own helper puts a streamed tool call together", async () => {
    const final = await client.responses.stream({ model, input: said.toolQuestion, tools }).finalResponse();
    const call = final.output.find((item) => item.type === "function_call")!;
    expect(JSON.parse(call.arguments)).toEqual(said.toolArguments);
    expect(final.status).toBe("completed");
  });
});

/** Anthropic's reply that thinks and calls a tool, whole and in events; from the docstrings of @anthropic-ai/sdk. */
const thinkingReply = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-x",
  content: [
    { type: "thinking", thinking: "A river, so look it up.", signature: "c2lnbmF0dXJl" },
    { type: "tool_use", id: "toolu_1", name: "get_flow", input: { river: "Aare" } },
  ],
  stop_reason: "tool_use",
  usage: { input_tokens: 10, cache_read_input_tokens: 4, output_tokens: 20 },
};
const answerReply = { ...thinkingReply, id: "msg_2", content: [{ type: "text", text: "120 m³/s" }], stop_reason: "end_turn" };
const sse = (members: { readonly type: string }): string => `event: ${members.type}\ndata: ${JSON.stringify(members)}\n\n`;
const thinkingEvents = [
  { type: "message_start", message: { ...thinkingReply, content: [], stop_reason: null } },
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "A river, " } },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "so look it up." } },
  { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "c2lnbmF0dXJl" } },
  { type: "content_block_stop", index: 0 },
  { type: "content_block_start", index: 1, content_block: { type: "tool_use", id: "toolu_1", name: "get_flow", input: {} } },
  { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '{"river":' } },
  { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '"Aare"}' } },
  { type: "content_block_stop", index: 1 },
  { type: "message_delta", delta: { stop_reason: "tool_use", stop_sequence: null }, usage: { output_tokens: 20 } },
  { type: "message_stop" },
].map(sse);

describe.each(["whole", "streamed"])("reasoning of Anthropic, %s,", (form) => {
  test("goes back with its signature, with the call it led to and the call's result", async () => {
    const input: ResponseInputItem[] = [{ role: "user", content: "The Aare?" }];
    const request = { model: "messages/claude-x", input, tools, store: false, reasoning: { effort: "low", summary: "auto" } } as const;
    messages.answerWith(form === "whole" ? json(200, thinkingReply) : eventStream(thinkingEvents));
    const first = form === "whole" ? await client.responses.create(request) : await client.responses.stream(request).finalResponse();
    expect(first.output).toMatchObject([
      { type: "reasoning", summary: [{ type: "summary_text", text: "A river, so look it up." }] },
      { type: "function_call", call_id: "toolu_1", name: "get_flow", arguments: '{"river":"Aare"}' },
    ]);
    expect(first.usage).toMatchObject({ input_tokens: 14, input_tokens_details: { cached_tokens: 4 }, output_tokens: 20 });
    messages.answerWith(json(200, answerReply));
    input.push(...(first.output as ResponseInputItem[]), { type: "function_call_output", call_id: "toolu_1", output: [{ type: "input_text", text: "120" }] });
    expect((await client.responses.create(request)).output_text).toBe("120 m³/s");
    const sent = JSON.parse(messages.requests.at(-1)!.body.toString()) as { messages: unknown[] };
    expect(sent.messages).toEqual([
      { role: "user", content: [{ type: "text", text: "The Aare?" }] },
      { role: "assistant", content: [{ type: "thinking", thinking: "A river, so look it up.", signature: "c2lnbmF0dXJl" }, { type: "tool_use", id: "toolu_1", name: "get_flow", input: { river: "Aare" } }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "toolu_1", content: [{ type: "text", text: "120" }] }] },
    ]);
  });
});

test("a pause, citations and pieces that only the vendor knows come back to it as they were", async () => {
  const search = { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "Aare" } };
  messages.answerWith(json(200, { ...thinkingReply, content: [search, { type: "text", text: "Searching" }], stop_reason: "pause_turn" }));
  const first = await client.responses.create({ model: "messages/claude-x", input: "The Aare?" });
  expect(first).toMatchObject({ status: "incomplete", incomplete_details: { reason: "pause" }, output_text: "Searching" });
  messages.answerWith(json(200, answerReply));
  await client.responses.create({ model: "messages/claude-x", input: [{ role: "user", content: "The Aare?" }, ...(first.output as ResponseInputItem[])] });
  const sent = JSON.parse(messages.requests.at(-1)!.body.toString()) as { messages: { content: unknown }[] };
  expect(sent.messages[1]!.content).toEqual([search, { type: "text", text: "Searching" }]);
});

const chatReply = (message: object, finish = "stop") => ({ id: "chatcmpl-1", object: "chat.completion", created: 1_700_000_000, model: "gpt-x", choices: [{ index: 0, message: { role: "assistant", content: null, ...message }, finish_reason: finish }], usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } });

test("a compatible server gets Chat Completions, and structured output comes back parsed", async () => {
  chat.answerWith(json(200, chatReply({ content: '{"flow":120}' })));
  const schema = { type: "object", properties: { flow: { type: "number" } }, required: ["flow"], additionalProperties: false };
  const reply = await client.responses.parse({ model: "chat/gpt-x", input: "Flow?", text: { verbosity: "low", format: { type: "json_schema", name: "flow", strict: true, schema } }, max_output_tokens: 50 });
  expect(reply.output_parsed).toEqual({ flow: 120 });
  const seen = chat.requests.at(-1)!;
  expect(seen.path).toBe("/v1/chat/completions");
  expect(JSON.parse(seen.body.toString())).toEqual({
    model: "gpt-x",
    messages: [{ role: "user", content: "Flow?" }],
    response_format: { type: "json_schema", json_schema: { name: "flow", strict: true, schema } },
    max_completion_tokens: 50,
    verbosity: "low",
  });
});

test("a custom tool and one in a namespace are called by their own names", async () => {
  const calls = [
    { id: "call_1", type: "function", function: { name: "apply_patch", arguments: '{"input":"*** Begin Patch"}' } },
    { id: "call_2", type: "function", function: { name: "files__read", arguments: '{"path":"a"}' } },
  ];
  chat.answerWith(json(200, chatReply({ tool_calls: calls }, "tool_calls")));
  const own: Tool[] = [
    { type: "custom", name: "apply_patch", format: { type: "grammar", syntax: "lark", definition: "start: /.+/" } },
    { type: "namespace", name: "files", description: "Files.", tools: [{ type: "function", name: "read", parameters: { type: "object", properties: {} } }] },
  ];
  const input: ResponseInputItem[] = [{ role: "user", content: "Patch it" }];
  const first = await client.responses.create({ model: "chat/gpt-x", input, tools: own });
  expect((JSON.parse(chat.requests.at(-1)!.body.toString()) as { tools: unknown[] }).tools).toEqual([
    {
      type: "function",
      function: {
        name: "apply_patch",
        description: "The input must fit this lark grammar:\nstart: /.+/",
        parameters: { type: "object", properties: { input: { type: "string" } }, required: ["input"], additionalProperties: false },
      },
    },
    { type: "function", function: { name: "files__read", parameters: { type: "object", properties: {} } } },
  ]);
  expect(first.output).toMatchObject([
    { type: "custom_tool_call", call_id: "call_1", name: "apply_patch", input: "*** Begin Patch" },
    { type: "function_call", call_id: "call_2", name: "read", namespace: "files", arguments: '{"path":"a"}' },
  ]);
  input.push(...(first.output as ResponseInputItem[]), { type: "custom_tool_call_output", call_id: "call_1", output: "done" }, { type: "function_call_output", call_id: "call_2", output: "b" });
  await client.responses.create({ model: "chat/gpt-x", input, tools: own });
  expect((JSON.parse(chat.requests.at(-1)!.body.toString()) as { messages: unknown[] }).messages).toEqual([
    { role: "user", content: "Patch it" },
    { role: "assistant", content: null, tool_calls: calls },
    { role: "tool", tool_call_id: "call_1", content: "done" },
    { role: "tool", tool_call_id: "call_2", content: "b" },
  ]);
});

test("a server that has the Responses API gets the caller's bytes, and the caller the server's", async () => {
  const reply = '{"id":"resp_9","object":"response", "model":"gpt-x-2026","status":"completed","output":[],"unheard_of":1.50,"usage":{"input_tokens":3,"output_tokens":5,"total_tokens":8}}';
  chat.answerWith((_, response) => void response.writeHead(200, { "content-type": "application/json" }).end(reply));
  const body = '{ "model":"native/gpt-x",  "input":"Hi", "store":true, "field_of_tomorrow":1.50e0 }';
  const response = await fetch(`${weir.origin}/v1/responses`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body });
  expect(await response.text()).toBe(reply);
  expect(chat.requests.at(-1)).toMatchObject({ path: "/v1/responses", body: Buffer.from(body.replace("native/gpt-x", "gpt-x")) });
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  expect(attempt!.event!.outcome).toMatchObject({ finishReason: "completed", servedModel: "gpt-x-2026", usage: { quantities: [{ quantity: 3n }, { quantity: 5n }] } });
});

test("a failed Response of such a server raises the SDK's error with the vendor's code", async () => {
  const growing = { id: "resp_9", object: "response", status: "in_progress", output: [], error: null };
  const error = { code: "context_length_exceeded", message: "The input is too long." };
  const events = [
    { type: "response.created", sequence_number: 0, response: growing },
    { type: "response.failed", sequence_number: 1, response: { ...growing, status: "failed", error } },
  ];
  chat.answerWith(eventStream(events.map(sse)));
  await expect(client.responses.stream({ model: "native/gpt-x", input: "Hi" }).finalResponse()).rejects.toMatchObject(error);
});

test("what the target cannot honour is named", async () => {
  chat.answerWith(json(200, chatReply({ content: "Yes." })));
  const request = { model: "chat/gpt-x", input: "Well?", truncation: "auto", max_tool_calls: 3, tools: [{ type: "web_search" }], include: ["web_search_call.results"] } as const;
  const { response } = await client.responses.create({ ...request, tools: [...request.tools], include: [...request.include] }).withResponse();
  const warnings = response.headers.get("x-weir-warnings")!;
  for (const field of ["truncation", "max_tool_calls", "tools.native", "include"]) expect(warnings).toContain(`${field}:`);
});

const states = [{ previous_response_id: "resp_1" }, { conversation: "conv_1" }, { background: true }, { input: [{ type: "item_reference", id: "msg_1" } as const] }];

test.each(["chat/gpt-x", "native/gpt-x"].flatMap((model) => states.map((members) => [model, members] as const)))("%s: %j is refused with what to do", async (model, members) => {
  const place = chat.requests.length;
  const error = await client.responses.create({ model, input: "Well?", ...members, stream: false }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.BadRequestError);
  expect((error as Error).message).toMatch(/send/);
  expect(chat.requests).toHaveLength(place);
});

test.each(["chat/gpt-x", "native/gpt-x"])("%s: a prompt cache has a name of the organization's own", async (model) => {
  chat.answerWith(model.startsWith("chat") ? json(200, chatReply({ content: "Yes." })) : json(200, { id: "resp_9", object: "response", status: "completed", output: [] }));
  const place = chat.requests.length;
  for (const prompt_cache_key of ["session", "session", "other"]) await client.responses.create({ model, input: "Well?", prompt_cache_key });
  const keys = chat.requests.slice(place).map(({ body }) => (JSON.parse(body.toString()) as Record<string, string>)["prompt_cache_key"]);
  expect(keys).toEqual([keys[0], keys[0], expect.stringMatching(/^[\w-]{43}$/)]);
  expect(new Set(keys).size).toBe(2);
  expect(keys).not.toContain("session");
});

test("a wrong key raises the SDK's AuthenticationError", async () => {
  const stranger = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: "weir_wrong", maxRetries: 0 });
  await expect(stranger.responses.create({ model: "to-openai", input: said.question })).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
});

test("a stream that is cut raises the SDK's APIError after what was said", async () => {
  messages.answerWith((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(thinkingEvents.slice(0, 3).join(""), () => response.destroy());
  });
  const stream = await client.responses.create({ model: "messages/claude-x", input: "The Aare?", stream: true });
  const types: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const { type } of stream) types.push(type);
  };
  await expect(reading()).rejects.toMatchObject({ code: "upstream_interrupted" });
  expect(types).toContain("response.reasoning_text.delta");
});

async function collect(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

function endOf(events: readonly ResponseStreamEvent[]): Response {
  const last = events.at(-1)!;
  return (last as { response: Response }).response;
}
