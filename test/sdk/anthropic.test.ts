import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { routes, said, startUpstreams, type Upstreams } from "../harness/upstreams.ts";

let upstreams: Upstreams;
let weir: Weir;
let client: Anthropic;

beforeAll(async () => {
  upstreams = await startUpstreams();
  weir = await startWeir({ config: upstreams.config });
  client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await upstreams?.stop();
});

const tools: Anthropic.Tool[] = [
  { name: said.toolName, description: "The flow of a river.", input_schema: { type: "object", properties: { river: { type: "string" }, unit: { type: "string" } }, required: ["river"] } },
];
const question: Anthropic.MessageParam[] = [{ role: "user", content: said.question }];
const toolQuestion: Anthropic.MessageParam[] = [{ role: "user", content: said.toolQuestion }];
const usage = { input_tokens: said.inputTokens, output_tokens: said.outputTokens };

describe.each(routes)("the Anthropic SDK, %s", (model) => {
  test("gets a whole reply", async () => {
    const { data, response } = await client.messages.create({ model, max_tokens: 100, messages: question }).withResponse();
    expect(data).toMatchObject({ type: "message", role: "assistant", stop_reason: "end_turn", content: [{ type: "text", text: said.answer }], usage });
    expect(response.headers.get("request-id")).toMatch(/^req_/);
  });

  test("gets the same in a stream, as the SDK's own helper puts it together", async () => {
    const events: string[] = [];
    const stream = client.messages.stream({ model, max_tokens: 100, messages: question });
    stream.on("streamEvent", ({ type }) => events.push(type));
    const message = await stream.finalMessage();
    expect(message).toMatchObject({ stop_reason: "end_turn", content: [{ type: "text", text: said.answer }], usage });
    expect(events[0]).toBe("message_start");
    expect(events.at(-1)).toBe("message_stop");
    expect(events.filter((type) => type === "message_delta")).toHaveLength(1);
  });

  test("gets a tool call, and the answer after its result", async () => {
    const first = await client.messages.create({ model, max_tokens: 100, messages: toolQuestion, tools });
    expect(first.stop_reason).toBe("tool_use");
    const call = first.content.find((block) => block.type === "tool_use")!;
    expect(call).toMatchObject({ name: said.toolName, input: said.toolArguments });
    const messages: Anthropic.MessageParam[] = [
      ...toolQuestion,
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "120 m³/s" }] },
    ];
    const second = await client.messages.create({ model, max_tokens: 100, messages, tools });
    expect(second.content).toMatchObject([{ type: "text", text: said.toolAnswer }]);
  });

  test("gets a tool call in a stream", async () => {
    const message = await client.messages.stream({ model, max_tokens: 100, messages: toolQuestion, tools }).finalMessage();
    expect(message.stop_reason).toBe("tool_use");
    expect(message.content.find((block) => block.type === "tool_use")).toMatchObject({ name: said.toolName, input: said.toolArguments });
  });
});

test("models lists what the key may use", async () => {
  const names: string[] = [];
  for await (const { id } of client.models.list()) names.push(id);
  expect(names).toContain("to-anthropic");
});

test("a model can be looked up by its name", async () => {
  expect(await client.models.retrieve("to-openai")).toMatchObject({ id: "to-openai", type: "model" });
  await expect(client.models.retrieve("to-nowhere")).rejects.toBeInstanceOf(Anthropic.NotFoundError);
});

test("a wrong key raises the SDK's AuthenticationError", async () => {
  const stranger = new Anthropic({ baseURL: weir.origin, apiKey: "weir_wrong", maxRetries: 0 });
  const error = await stranger.messages.create({ model: "to-openai", max_tokens: 1, messages: question }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Anthropic.AuthenticationError);
  expect((error as InstanceType<typeof Anthropic.AuthenticationError>).requestID).toMatch(/^req_/);
});

test("an unknown model raises the SDK's NotFoundError", async () => {
  const error = await client.messages.create({ model: "nothing-like-it", max_tokens: 1, messages: question }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Anthropic.NotFoundError);
});
