/** Owns the proof that the official clients of others reach models on Bedrock through a running Weir, in requests signed as AWS wants them. */
import Anthropic from "@anthropic-ai/sdk";
import { LLMock } from "@copilotkit/aimock";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expectedAuthorization, signedHeadersOf } from "../../services/providers/edge/bedrock/aws-signature.fixture.ts";
import { message, toBytes } from "../../services/providers/edge/bedrock/fixtures.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { said } from "../harness/upstreams.ts";

const model = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const accessKeyId = "AKIDEXAMPLE";
const secretAccessKey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const sessionToken = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22w==";
const usage = { input_tokens: said.inputTokens, output_tokens: said.outputTokens };

let mock: LLMock;
let aws: ScriptedProvider;
let weir: Weir;
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  mock = new LLMock({ port: 0 });
  mock.on({ userMessage: said.toolQuestion, hasToolResult: true }, { content: said.toolAnswer, usage });
  mock.on({ userMessage: said.toolQuestion }, { toolCalls: [{ id: "tooluse_1", name: said.toolName, arguments: JSON.stringify(said.toolArguments) }], usage });
  mock.on({ userMessage: said.question }, { content: said.answer, usage }, { chunkSize: 7 });
  await mock.start();
  aws = await startScriptedProvider(verified(json(200, {})));
  weir = await startWeir({
    config: `
providers:
  mock: { vendor: bedrock, api_key: "${accessKeyId}:${secretAccessKey}", base_url: "${mock.url}" }
  signed: { vendor: bedrock, api_key: "${accessKeyId}:${secretAccessKey}:${sessionToken}", base_url: "${aws.baseUrl}" }
  bearer: { vendor: bedrock, api_key: bedrock-api-key-canary, base_url: "${aws.baseUrl}" }
`,
  });
  openai = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir.stop();
  await mock.stop();
  await aws.stop();
});

/** Answers as AWS does: what is not signed, or signed otherwise than it would sign it, is refused. */
function verified(answer: Answer): Answer {
  return (request, response) => (isSigned(request) ? answer(request, response) : json(403, { message: "The request signature we calculated does not match." }, { "x-amzn-errortype": "InvalidSignatureException" })(request, response));
}

function isSigned(request: UpstreamRequest): boolean {
  const authorization = request.headers.authorization ?? "";
  const signedHeaders = signedHeadersOf(authorization);
  const date = String(request.headers["x-amz-date"]).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  return (
    ["host", "x-amz-date", "x-amz-security-token"].every((name) => signedHeaders.includes(name)) &&
    Math.abs(Date.now() - Date.parse(date)) < 5 * 60_000 &&
    authorization === expectedAuthorization(request, accessKeyId, secretAccessKey, "us-east-1", "bedrock", signedHeaders)
  );
}

const stream = (...pieces: readonly Buffer[]): Answer => (_, response) => {
  response.writeHead(200, { "content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "aws-2" });
  for (const piece of pieces) response.write(piece);
  response.end();
};

const question = [{ role: "user" as const, content: said.question }];
const toolQuestion = [{ role: "user" as const, content: said.toolQuestion }];

describe("the openai SDK, to a model on Bedrock", () => {
  const target = `mock/${model}`;
  const tools: OpenAI.ChatCompletionTool[] = [{ type: "function", function: { name: said.toolName, parameters: { type: "object" } } }];

  test("gets a whole reply, with the model's name and the usage", async () => {
    const reply = await openai.chat.completions.create({ model: target, messages: question });
    expect(reply).toMatchObject({ model, choices: [{ finish_reason: "stop", message: { content: said.answer } }], usage: { prompt_tokens: said.inputTokens, completion_tokens: said.outputTokens } });
  });

  test("gets the same in a stream", async () => {
    const completion = await openai.chat.completions.stream({ model: target, messages: question, stream_options: { include_usage: true } }).finalChatCompletion();
    expect(completion).toMatchObject({ model, choices: [{ finish_reason: "stop", message: { content: said.answer } }], usage: { total_tokens: said.inputTokens + said.outputTokens } });
  });

  test("gets a tool call, whole and in a stream, and the answer after its result", async () => {
    const first = await openai.chat.completions.create({ model: target, messages: toolQuestion, tools });
    const streamed = await openai.chat.completions.stream({ model: target, messages: toolQuestion, tools }).finalChatCompletion();
    for (const { choices } of [first, streamed]) {
      const call = choices[0]!.message.tool_calls![0] as OpenAI.ChatCompletionMessageFunctionToolCall;
      expect(choices[0]!.finish_reason).toBe("tool_calls");
      expect([call.id, call.function.name, JSON.parse(call.function.arguments)]).toEqual(["tooluse_1", said.toolName, said.toolArguments]);
    }
    const messages = [...toolQuestion, first.choices[0]!.message, { role: "tool" as const, tool_call_id: "tooluse_1", content: "120 m³/s" }];
    const second = await openai.chat.completions.create({ model: target, messages, tools });
    expect(second.choices[0]!.message.content).toBe(said.toolAnswer);
  });
});

describe("the anthropic SDK, to a model on Bedrock", () => {
  const ask = { model: `mock/${model}`, max_tokens: 100 };
  const tools: Anthropic.Tool[] = [{ name: said.toolName, input_schema: { type: "object" } }];

  test("gets a whole reply, and the same in a stream", async () => {
    const whole = await anthropic.messages.create({ ...ask, messages: question });
    const streamed = await anthropic.messages.stream({ ...ask, messages: question }).finalMessage();
    for (const reply of [whole, streamed]) expect(reply).toMatchObject({ model, content: [{ type: "text", text: said.answer }], stop_reason: "end_turn", usage });
  });

  test("gets a tool call, whole and in a stream, and the answer after its result", async () => {
    const whole = await anthropic.messages.create({ ...ask, messages: toolQuestion, tools });
    const streamed = await anthropic.messages.stream({ ...ask, messages: toolQuestion, tools }).finalMessage();
    for (const reply of [whole, streamed]) expect(reply).toMatchObject({ content: [{ type: "tool_use", id: "tooluse_1", name: said.toolName, input: said.toolArguments }], stop_reason: "tool_use" });
    const messages: Anthropic.MessageParam[] = [...toolQuestion, { role: "assistant", content: whole.content }, { role: "user", content: [{ type: "tool_result", tool_use_id: "tooluse_1", content: "120 m³/s" }] }];
    const answer = await anthropic.messages.create({ ...ask, messages, tools });
    expect(answer.content).toMatchObject([{ text: said.toolAnswer }]);
  });
});

describe("a request to AWS", () => {
  const target = `signed/${model}`;
  const tokens = { inputTokens: 5, outputTokens: 3, totalTokens: 28, cacheReadInputTokens: 20 };
  const start = { type: "messageStart", payload: { role: "assistant" } };
  const text = { type: "contentBlockDelta", payload: { contentBlockIndex: 0, delta: { text: "Hi" } } };

  test("is signed as AWS verifies it, with the model's colon in its path, and tells AWS's id of it", async () => {
    aws.answerWith(verified(json(200, { output: { message: { role: "assistant", content: [{ text: "Hi" }] } }, stopReason: "end_turn", usage: tokens }, { "x-amzn-requestid": "aws-1" })));
    const { data, response } = await openai.chat.completions.create({ model: target, messages: question }).withResponse();
    expect(data.choices[0]!.message.content).toBe("Hi");
    expect(data.usage).toMatchObject({ prompt_tokens: 25, prompt_tokens_details: { cached_tokens: 20 }, completion_tokens: 3 });
    expect(response.headers.get("x-weir-upstream-request-id")).toBe("aws-1");
    expect(aws.requests.at(-1)!.path).toBe("/v1/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse");
  });

  test("is signed for a stream too, whose usage stands in the ledger", async () => {
    const end = [{ type: "contentBlockStop", payload: { contentBlockIndex: 0 } }, { type: "messageStop", payload: { stopReason: "end_turn" } }, { type: "metadata", payload: { usage: tokens } }];
    aws.answerWith(verified(stream(toBytes([start, text]), toBytes(end))));
    const { data, response } = await openai.chat.completions.create({ model: target, messages: question, stream: true }).withResponse();
    let words = "";
    for await (const chunk of data) words += chunk.choices[0]?.delta.content ?? "";
    expect(words).toBe("Hi");
    expect(aws.requests.at(-1)!.path).toMatch(/%3A0\/converse-stream$/);
    const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
    expect(attempt!.event!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([5n, 20n, 3n]);
  });

  test("brings reasoning back as the model signed it, whole and from a stream", async () => {
    const thought = { reasoningContent: { reasoningText: { text: "Hm…", signature: "c2ln" } } };
    const hidden = { reasoningContent: { redactedContent: "b3BhcXVl" } };
    const reply = { output: { message: { role: "assistant", content: [thought, hidden, { text: "Hi" }] } }, stopReason: "end_turn", usage: tokens };
    const blocks = [[{ reasoningContent: { text: "Hm…" } }, { reasoningContent: { signature: "c2ln" } }], [hidden], [{ text: "Hi" }]].flatMap((deltas, contentBlockIndex) => [
      ...deltas.map((delta) => ({ type: "contentBlockDelta", payload: { contentBlockIndex, delta } })),
      { type: "contentBlockStop", payload: { contentBlockIndex } },
    ]);
    const end = [{ type: "messageStop", payload: { stopReason: "end_turn" } }, { type: "metadata", payload: { usage: tokens } }];
    aws.answerWith(verified((request, response) => (request.path.endsWith("stream") ? stream(toBytes([start, ...blocks, ...end])) : json(200, reply))(request, response)));
    const ask = { model: target, max_tokens: 5000, thinking: { type: "enabled" as const, budget_tokens: 2000 } };
    const whole = await anthropic.messages.create({ ...ask, messages: question });
    const streamed = await anthropic.messages.stream({ ...ask, messages: question }).finalMessage();
    for (const { content } of [whole, streamed]) {
      expect(content).toMatchObject([{ type: "thinking", thinking: "Hm…", signature: "c2ln" }, { type: "redacted_thinking", data: "b3BhcXVl" }, { type: "text", text: "Hi" }]);
      await anthropic.messages.create({ ...ask, messages: [...question, { role: "assistant", content }, { role: "user", content: [{ type: "text", text: "And?", cache_control: { type: "ephemeral", ttl: "1h" } }] }] });
      expect(JSON.parse(aws.requests.at(-1)!.body.toString())).toEqual({
        messages: [
          { role: "user", content: [{ text: said.question }] },
          { role: "assistant", content: [thought, hidden, { text: "Hi" }] },
          { role: "user", content: [{ text: "And?" }, { cachePoint: { type: "default", ttl: "1h" } }] },
        ],
        inferenceConfig: { maxTokens: 5000 },
        additionalModelRequestFields: { thinking: { type: "enabled", budget_tokens: 2000 } },
      });
    }
  });

  test("gets vectors", async () => {
    aws.answerWith(verified(json(200, { embedding: [0.25, -0.5], inputTextTokenCount: 2 })));
    const { data, model: named, usage: used } = await openai.embeddings.create({ model: "signed/amazon.titan-embed-text-v2:0", input: "river" });
    expect([[...data[0]!.embedding], named, used.prompt_tokens]).toEqual([[0.25, -0.5], "amazon.titan-embed-text-v2:0", 2]);
    expect(aws.requests.at(-1)!.path).toMatch(/%3A0\/invoke$/);
  });

  test("carries an API key as it is", async () => {
    aws.answerWith(json(429, { message: "Too many requests" }, { "x-amzn-errortype": "ThrottlingException" }));
    const error = await openai.chat.completions.create({ model: `bearer/${model}`, messages: question }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(aws.requests.at(-1)!.headers).toMatchObject({ authorization: "Bearer bedrock-api-key-canary" });
    expect(aws.requests.at(-1)!.headers).not.toHaveProperty("x-amz-date");
  });

  test.each([
    ["an exception in its stream", message({ ":message-type": "exception", ":exception-type": "validationException" }, '{"message":"too long"}'), /too long/],
    ["a damaged stream", toBytes([text]).fill(0, 20, 24), /cannot be read/],
    ["a stream that ends before its end", Buffer.of(), /before its end/],
  ])("ends in an error with %s", async (_what, piece, expected) => {
    aws.answerWith(verified(stream(toBytes([start, text]), piece)));
    const chunks = await openai.chat.completions.create({ model: target, messages: question, stream: true });
    const words: string[] = [];
    await expect(async () => {
      for await (const { choices } of chunks) words.push(choices[0]?.delta.content ?? "");
    }).rejects.toThrow(expected);
    expect(words.join("")).toBe("Hi");
  });

  test("shows its caller nothing of the credential, though a refusal quotes it", async () => {
    aws.answerWith(verified(json(400, { message: `wrong: ${secretAccessKey} ${sessionToken}` }, { "x-amzn-errortype": "ValidationException" })));
    const error = (await openai.chat.completions.create({ model: target, messages: question }).catch((thrown: unknown) => thrown)) as Error;
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error.message).toContain("wrong: [credential] [credential]");
    aws.answerWith(json(403, { message: `The canonical string should have been x-amz-security-token:${sessionToken}` }, { "x-amzn-errortype": "InvalidSignatureException" }));
    const refusal = (await openai.chat.completions.create({ model: target, messages: question }).catch((thrown: unknown) => thrown)) as Error;
    expect(refusal.message).toContain("Bedrock refused the gateway's account");
    expect(refusal.message).not.toContain("canonical");
  });

  test("leaves nothing of the credential in the log", () => {
    const log = JSON.stringify(weir.log());
    for (const secret of [secretAccessKey, sessionToken, "bedrock-api-key-canary", "Signature="]) expect(log).not.toContain(secret);
  });
});
