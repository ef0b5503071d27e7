/** Owns what every vendor must be able to do for the official openai client, through a running Weir, against aimock in the vendor's place. */
import { LLMock } from "@copilotkit/aimock";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startWeir, type Weir } from "./start-weir.ts";
import { said } from "./upstreams.ts";

export interface SuitedVendor {
  /** The word in the configuration; the models are called `chat-test` and `embed-test`. */
  readonly vendor: string;
  /** What stands between the mock's origin and the paths of the vendor's API, such as `/v1`. */
  readonly basePath: string;
  readonly needsKey: boolean;
  /** Where the mock reports usage in the vendor's form. */
  readonly mockReportsUsage: "everywhere" | "in_whole_replies" | "nowhere";
  /** False where the vendor has none, or the mock not in the vendor's form. */
  readonly mockHasEmbeddings: boolean;
}

const usage = { prompt_tokens: said.inputTokens, completion_tokens: said.outputTokens, input_tokens: said.inputTokens, output_tokens: said.outputTokens };
const tools: OpenAI.ChatCompletionTool[] = [
  { type: "function", function: { name: said.toolName, description: "The flow of a river.", parameters: { type: "object", properties: { river: { type: "string" }, unit: { type: "string" } }, required: ["river"] } } },
];

export function testVendor({ vendor, basePath, needsKey, mockReportsUsage, mockHasEmbeddings }: SuitedVendor): void {
  describe(`the openai SDK and ${vendor}`, () => {
    const mock = new LLMock({ port: 0 });
    const model = `${vendor}/chat-test`;
    const question: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: said.question }];
    const toolQuestion: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: said.toolQuestion }];
    let weir: Weir;
    let client: OpenAI;

    beforeAll(async () => {
      mock.on({ userMessage: said.toolQuestion, hasToolResult: true }, { content: said.toolAnswer, usage });
      mock.on({ userMessage: said.toolQuestion }, { toolCalls: [{ id: "call_1", name: said.toolName, arguments: JSON.stringify(said.toolArguments) }], usage });
      mock.on({ userMessage: said.question }, { content: said.answer, usage }, { chunkSize: 7 });
      mock.onEmbedding("river", { embedding: [0.25, -0.5, 1] });
      await mock.start();
      const key = needsKey ? "api_key: vendor-secret, " : "";
      weir = await startWeir({ config: `providers: { ${vendor}: { vendor: ${vendor}, ${key}base_url: "${mock.url}${basePath}", models: [chat-test, embed-test] } }` });
      client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
    });
    afterAll(async () => {
      await weir?.stop();
      await mock.stop();
    });

    test("gets a whole reply, which stands in the ledger", async () => {
      const { data, response } = await client.chat.completions.create({ model, messages: question }).withResponse();
      expect(data.choices).toMatchObject([{ index: 0, finish_reason: "stop", message: { role: "assistant", content: said.answer } }]);
      expect(data.model).toBe("chat-test");
      const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
      const outcome = attempt!.event!.outcome!;
      expect(outcome.finishReason).not.toBe("");
      if (mockReportsUsage === "nowhere") return;
      expect(data.usage).toMatchObject({ prompt_tokens: said.inputTokens, completion_tokens: said.outputTokens });
      expect(outcome.usage!.quantities.map(({ quantity }) => quantity)).toEqual([BigInt(said.inputTokens), BigInt(said.outputTokens)]);
    });

    test("gets the same in a stream", async () => {
      const stream = await client.chat.completions.create({ model, messages: question, stream: true, stream_options: { include_usage: true } });
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(said.answer);
      expect(chunks.flatMap(({ choices }) => choices.map(({ finish_reason: reason }) => reason)).filter((reason) => reason !== null)).toEqual(["stop"]);
      expect(new Set(chunks.map((chunk) => chunk.model))).toEqual(new Set(["chat-test"]));
      if (mockReportsUsage === "everywhere") expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: said.inputTokens, completion_tokens: said.outputTokens } });
    });

    test("gets a tool call, and the answer after its result", async () => {
      const first = await client.chat.completions.create({ model, messages: toolQuestion, tools });
      const call = first.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      expect(first.choices[0]!.finish_reason).toBe("tool_calls");
      expect(call.function.name).toBe(said.toolName);
      expect(JSON.parse(call.function.arguments)).toEqual(said.toolArguments);
      const messages = [...toolQuestion, first.choices[0]!.message, { role: "tool" as const, tool_call_id: call.id, content: "120 m³/s" }];
      const second = await client.chat.completions.create({ model, messages, tools });
      expect(second.choices[0]!.message.content).toBe(said.toolAnswer);
    });

    test("gets a tool call in a stream", async () => {
      const completion = await client.chat.completions.stream({ model, messages: toolQuestion, tools }).finalChatCompletion();
      expect(completion.choices[0]!.finish_reason).toBe("tool_calls");
      const call = completion.choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      expect(call.function.name).toBe(said.toolName);
      expect(JSON.parse(call.function.arguments)).toEqual(said.toolArguments);
    });

    test.runIf(mockHasEmbeddings)("gets embeddings", async () => {
      const { data, model: answered } = await client.embeddings.create({ model: `${vendor}/embed-test`, input: ["river"] });
      expect([...data[0]!.embedding]).toEqual([0.25, -0.5, 1]);
      expect(answered).toBe("embed-test");
    });
  });
}
