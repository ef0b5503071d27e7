import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { routes, said, startUpstreams, type Upstreams } from "../harness/upstreams.ts";

let upstreams: Upstreams;
let weir: Weir;
let client: OpenAI;

beforeAll(async () => {
  upstreams = await startUpstreams();
  weir = await startWeir({ config: upstreams.config });
  client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await upstreams?.stop();
});

const tools: OpenAI.ChatCompletionTool[] = [
  { type: "function", function: { name: said.toolName, description: "The flow of a river.", parameters: { type: "object", properties: { river: { type: "string" }, unit: { type: "string" } }, required: ["river"] } } },
];
const question: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: said.question }];
const toolQuestion: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: said.toolQuestion }];
const usage = { prompt_tokens: said.inputTokens, completion_tokens: said.outputTokens, total_tokens: said.inputTokens + said.outputTokens };

describe.each(routes)("the openai SDK, %s", (model) => {
  test("gets a whole reply", async () => {
    const { data, response } = await client.chat.completions.create({ model, messages: question }).withResponse();
    expect(data.object).toBe("chat.completion");
    expect(data.created).toBeGreaterThan(1_700_000_000);
    expect(data.choices).toMatchObject([{ index: 0, finish_reason: "stop", message: { role: "assistant", content: said.answer } }]);
    expect(data.usage).toMatchObject(usage);
    expect(response.headers.get("x-weir-target")).toMatch(/^(openai\/gpt|anthropic\/claude)-test$/);
    expect(response.headers.get("x-request-id")).toMatch(/^req_/);
  });

  test("gets the same in a stream, with one finish, and no usage that it did not ask for", async () => {
    const stream = await client.chat.completions.create({ model, messages: question, stream: true });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(said.answer);
    expect(chunks.flatMap(({ choices }) => choices.map(({ finish_reason: reason }) => reason)).filter((reason) => reason !== null)).toEqual(["stop"]);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    expect(chunks.filter((chunk) => chunk.usage)).toEqual([]);
    expect(chunks.every(({ choices }) => choices.length === 1)).toBe(true);
  });

  test("gets the usage in a stream when it asks for it", async () => {
    const stream = await client.chat.completions.create({ model, messages: question, stream: true, stream_options: { include_usage: true } });
    const chunks: OpenAI.ChatCompletionChunk[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
  });

  test("gets a tool call, and the answer after its result", async () => {
    const first = await client.chat.completions.create({ model, messages: toolQuestion, tools });
    const call = first.choices[0]!.message.tool_calls![0]!;
    expect(first.choices[0]!.finish_reason).toBe("tool_calls");
    expect(call).toMatchObject({ type: "function", function: { name: said.toolName } });
    expect(JSON.parse((call as OpenAI.ChatCompletionMessageFunctionToolCall).function.arguments)).toEqual(said.toolArguments);
    const messages = [...toolQuestion, first.choices[0]!.message, { role: "tool" as const, tool_call_id: call.id, content: "120 m³/s" }];
    const second = await client.chat.completions.create({ model, messages, tools });
    expect(second.choices[0]!.message.content).toBe(said.toolAnswer);
  });

  test("gets a tool call in a stream, as the SDK's own helper puts it together", async () => {
    const completion = await client.chat.completions.stream({ model, messages: toolQuestion, tools }).finalChatCompletion();
    expect(completion.choices[0]!.finish_reason).toBe("tool_calls");
    const call = completion.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
    expect(call.function.name).toBe(said.toolName);
    expect(JSON.parse(call.function.arguments)).toEqual(said.toolArguments);
  });
});

test.each(routes)("legacy completions are asked as chats, %s", async (model) => {
  const completion = await client.completions.create({ model, prompt: said.question, suffix: "…" }).withResponse();
  expect(completion.data).toMatchObject({ object: "text_completion", choices: [{ index: 0, text: said.answer, finish_reason: "stop" }], usage });
  expect(completion.response.headers.get("x-weir-warnings")).toContain("suffix");
  const stream = await client.completions.create({ model, prompt: said.question, stream: true });
  const chunks: OpenAI.Completion[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  expect(chunks.map(({ choices }) => choices[0]?.text ?? "").join("")).toBe(said.answer);
  expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe("stop");
});

test("embeddings come back as floats, also when the SDK asked for base64", async () => {
  const { data, usage: used } = await client.embeddings.create({ model: "openai/embed-test", input: ["river"] });
  expect([...data[0]!.embedding]).toEqual([0.25, -0.5, 1]);
  expect(used.prompt_tokens).toBeGreaterThanOrEqual(0);
});

test("models lists the routes and what providers have", async () => {
  const names: string[] = [];
  for await (const { id } of client.models.list()) names.push(id);
  expect(names).toEqual(["to-anthropic", "to-openai", "anthropic/claude-test", "openai/embed-test", "openai/gpt-test"]);
});

test("a model can be looked up by its name, which may hold a slash", async () => {
  expect(await client.models.retrieve("to-openai")).toMatchObject({ id: "to-openai", object: "model", owned_by: "weir" });
  expect(await client.models.retrieve("openai/gpt-test")).toMatchObject({ id: "openai/gpt-test", owned_by: "openai" });
  await expect(client.models.retrieve("to-nowhere")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
});

test("every attempt stands in the ledger with the vendor's usage", async () => {
  const { response } = await client.chat.completions.create({ model: "to-anthropic", messages: question }).withResponse();
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  expect(attempt!.event!.intent).toMatchObject({ route: "to-anthropic", provider: "anthropic", model: "claude-test" });
  const quantities = attempt!.event!.outcome!.usage!.quantities.map(({ quantity }) => quantity);
  expect(quantities.reduce((sum, quantity) => sum + quantity, 0n)).toBe(BigInt(said.inputTokens + said.outputTokens));
});

test("a wrong key raises the SDK's AuthenticationError", async () => {
  const stranger = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: "weir_wrong", maxRetries: 0 });
  const error = await stranger.chat.completions.create({ model: "to-openai", messages: question }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
  expect((error as InstanceType<typeof OpenAI.AuthenticationError>).requestID).toMatch(/^req_/);
});

test("an unknown model raises the SDK's NotFoundError, with the nearest names", async () => {
  const error = await client.chat.completions.create({ model: "to-opnai", messages: question }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.NotFoundError);
  expect((error as Error).message).toContain('"to-openai"');
});
