import { ApiError, FunctionCallingConfigMode, GoogleGenAI, Type, type Content, type GenerateContentConfig, type GenerateContentResponse } from "@google/genai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { routes, said, startUpstreams, type Upstreams } from "../harness/upstreams.ts";

let upstreams: Upstreams;
let scripted: ScriptedProvider;
let weir: Weir;
let client: GoogleGenAI;

const clientWith = (apiKey: string): GoogleGenAI => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: weir.origin, apiVersion: "v1beta", retryOptions: { attempts: 1 } } });

beforeAll(async () => {
  upstreams = await startUpstreams();
  scripted = await startScriptedProvider(json(500, {}));
  const providers = ["openai", "anthropic"].map((vendor) => `  scripted-${vendor}: { vendor: ${vendor}, api_key: sk-scripted, base_url: "${scripted.baseUrl}", models: [model] }\n`);
  weir = await startWeir({ config: upstreams.config.replace("providers:\n", `providers:\n${providers.join("")}`) });
  client = clientWith(weir.inferenceKey);
});
afterAll(async () => {
  await weir?.stop();
  await upstreams?.stop();
  await scripted?.stop();
});

const functionDeclarations = [{ name: said.toolName, description: "The flow of a river.", parameters: { type: Type.OBJECT, properties: { river: { type: Type.STRING }, unit: { type: Type.STRING } }, required: ["river"] } }];
const tools = [{ functionDeclarations }];
const usage = { promptTokenCount: said.inputTokens, candidatesTokenCount: said.outputTokens, totalTokenCount: said.inputTokens + said.outputTokens };

async function collect(stream: AsyncIterable<GenerateContentResponse>): Promise<GenerateContentResponse[]> {
  const chunks: GenerateContentResponse[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

describe.each([...routes, "openai/gpt-test"])("the Google Gen AI SDK, %s", (model) => {
  test("gets a whole reply", async () => {
    const response = await client.models.generateContent({ model, contents: said.question });
    expect(response.text).toBe(said.answer);
    expect(response.candidates).toMatchObject([{ index: 0, finishReason: "STOP", content: { role: "model" } }]);
    expect(response.usageMetadata).toMatchObject(usage);
    expect(response.modelVersion).toMatch(/-test$/);
    expect(response.responseId).not.toBe("");
    expect(response.sdkHttpResponse?.headers?.["x-weir-target"]).toMatch(/^(openai\/gpt|anthropic\/claude)-test$/);
  });

  test("gets the same in a stream, with one finish and the usage at the end", async () => {
    const chunks = await collect(await client.models.generateContentStream({ model, contents: said.question }));
    expect(chunks.map(({ text }) => text ?? "").join("")).toBe(said.answer);
    expect(chunks.length).toBeGreaterThan(3);
    expect(chunks.flatMap(({ candidates }) => candidates?.[0]?.finishReason ?? [])).toEqual(["STOP"]);
    expect(chunks.at(-1)!.usageMetadata).toMatchObject(usage);
    expect(new Set(chunks.map(({ responseId }) => responseId)).size).toBe(1);
  });

  test("gets a function call, and the answer after its response", async () => {
    const contents: Content[] = [{ role: "user", parts: [{ text: said.toolQuestion }] }];
    const first = await client.models.generateContent({ model, contents, config: { tools } });
    expect(first.functionCalls).toMatchObject([{ name: said.toolName, args: said.toolArguments }]);
    const { id, name } = first.functionCalls![0]!;
    const answered = [...contents, first.candidates![0]!.content!, { role: "user", parts: [{ functionResponse: { id: id!, name: name!, response: { output: "120 m³/s" } } }] }];
    expect((await client.models.generateContent({ model, contents: answered, config: { tools } })).text).toBe(said.toolAnswer);
  });

  test("gets a function call in a stream, and goes on with the history that the SDK's chat keeps", async () => {
    const chat = client.chats.create({ model, config: { tools } });
    const chunks = await collect(await chat.sendMessageStream({ message: said.toolQuestion }));
    expect(chunks.flatMap(({ functionCalls }) => functionCalls ?? [])).toMatchObject([{ name: said.toolName, args: said.toolArguments }]);
    const answer = await chat.sendMessage({ message: { functionResponse: { name: said.toolName, response: { output: "120 m³/s" } } } });
    expect(answer.text).toBe(said.toolAnswer);
  });
});

describe("what the vendor gets", () => {
  const reply = {
    openai: { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "model", choices: [{ index: 0, message: { role: "assistant", content: '{"river":"Aare"}' }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } },
    anthropic: { id: "msg_1", type: "message", role: "assistant", model: "model", content: [{ type: "text", text: '{"river":"Aare"}' }], stop_reason: "end_turn", usage: { input_tokens: 1, output_tokens: 1 } },
  };
  const sent = async (vendor: keyof typeof reply, contents: Content[], config: GenerateContentConfig) => {
    scripted.answerWith(json(200, reply[vendor]));
    const response = await client.models.generateContent({ model: `scripted-${vendor}/model`, contents, config });
    return { response, body: JSON.parse(scripted.requests.at(-1)!.body.toString()) as object, warnings: response.sdkHttpResponse?.headers?.["x-weir-warnings"] ?? "" };
  };
  const pixel = "iVBORw0KGgo=";
  const contents: Content[] = [{ role: "user", parts: [{ text: "Which river?" }, { inlineData: { mimeType: "image/png", data: pixel } }] }];
  const schema = { type: "object", properties: { river: { type: "string" } }, required: ["river"] };
  const config: GenerateContentConfig = {
    systemInstruction: "You know rivers.",
    temperature: 0.5,
    maxOutputTokens: 50,
    stopSequences: ["END"],
    responseMimeType: "application/json",
    responseSchema: { type: Type.OBJECT, properties: { river: { type: Type.STRING } }, required: ["river"] },
    tools,
    toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: [said.toolName] } },
  };

  test("of an OpenAI-compatible one: system, image, schema, tools", async () => {
    const { response, body } = await sent("openai", contents, config);
    expect(body).toMatchObject({
      messages: [
        { role: "system", content: "You know rivers." },
        { role: "user", content: [{ type: "text", text: "Which river?" }, { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } }] },
      ],
      temperature: 0.5,
      stop: ["END"],
      response_format: { type: "json_schema", json_schema: { schema } },
      tools: [{ type: "function", function: { name: said.toolName, parameters: { type: "object", properties: { river: { type: "string" } } } } }],
      tool_choice: { type: "function", function: { name: said.toolName } },
    });
    expect(JSON.parse(response.text!)).toEqual({ river: "Aare" });
  });

  test("of Anthropic: system, image, schema, tools", async () => {
    const { body } = await sent("anthropic", contents, config);
    expect(body).toMatchObject({
      system: [{ type: "text", text: "You know rivers." }],
      messages: [{ role: "user", content: [{ type: "text", text: "Which river?" }, { type: "image", source: { type: "base64", media_type: "image/png", data: pixel } }] }],
      max_tokens: 50,
      stop_sequences: ["END"],
      tools: [{ name: said.toolName, input_schema: { type: "object" } }],
      tool_choice: { type: "tool", name: said.toolName },
    });
  });

  test("what has no translation is named", async () => {
    const { warnings } = await sent("openai", contents, { safetySettings: [{}] });
    expect(warnings).toContain("safetySettings: not known to Weir");
  });
});

test("embeddings come back as floats", async () => {
  const { embeddings } = await client.models.embedContent({ model: "openai/embed-test", contents: ["river"], config: { taskType: "RETRIEVAL_QUERY" } });
  expect(embeddings).toMatchObject([{ values: [0.25, -0.5, 1] }]);
});

test("models lists what the key may use, and gets one of them", async () => {
  const names: (string | undefined)[] = [];
  for await (const { name } of await client.models.list()) names.push(name);
  expect(names).toContain("models/to-anthropic");
  expect(names).toContain("models/openai/gpt-test");
  expect(await client.models.get({ model: "openai/gpt-test" })).toMatchObject({ name: "models/openai/gpt-test" });
});

describe("errors raise the SDK's ApiError", () => {
  const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
    const error = await promise.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApiError);
    return error as ApiError;
  };

  test("a wrong key", async () => {
    const { status, message } = await failure(clientWith("weir_wrong").models.generateContent({ model: "to-openai", contents: "Hi" }));
    expect(status).toBe(401);
    expect(JSON.parse(message)).toMatchObject({ error: { code: 401, status: "UNAUTHENTICATED", details: [{ reason: "KEY_INVALID", domain: "weir.dev" }, { requestId: expect.stringMatching(/^req_/) as string }] } });
  });

  test("an unknown model, whole and in a stream", async () => {
    expect((await failure(client.models.generateContent({ model: "to-nowhere", contents: "Hi" }))).status).toBe(404);
    expect((await failure(client.models.generateContentStream({ model: "to-nowhere", contents: "Hi" }))).status).toBe(404);
  });

  test("a wrong field, by its name", async () => {
    const { status, message } = await failure(client.models.generateContent({ model: "to-openai", contents: [{ role: "narrator", parts: [{ text: "Hi" }] }] }));
    expect(status).toBe(400);
    expect(message).toContain("contents[0].role");
  });

  test("a stream that breaks off", async () => {
    scripted.answerWith((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "model", choices: [{ index: 0, delta: { role: "assistant", content: "A we" }, finish_reason: null }] })}\n\n`);
      setTimeout(() => response.destroy(), 50);
    });
    const stream = await client.models.generateContentStream({ model: "scripted-openai/model", contents: "Hi" });
    expect((await failure(collect(stream))).status).toBe(502);
  });
});

test("an RPC takes the dialect's body too, and streams events", async () => {
  const inference = weir.client(InferenceService, weir.inferenceKey);
  const generation = { model: "to-anthropic", native: { dialect: "gemini", body: Buffer.from(JSON.stringify({ contents: [{ parts: [{ text: said.question }] }] })) } };
  const whole = await inference.generate({ generation });
  expect(JSON.parse(Buffer.from(whole.native!.body).toString())).toMatchObject({ candidates: [{ content: { parts: [{ text: said.answer }] } }], responseId: expect.any(String) as string });
  const bytes: Uint8Array[] = [];
  for await (const { event } of inference.streamGenerate({ generation })) if (event.case === "native") bytes.push(event.value.body);
  const pieces = Buffer.concat(bytes).toString().split("\r\n\r\n").slice(0, -1).map((text) => JSON.parse(text.replace(/^data: /, "")) as GenerateContentResponse);
  expect(pieces.map(({ candidates }) => candidates![0]!.content!.parts![0]!.text).join("")).toBe(said.answer);
});

describe("without the SDK", () => {
  const ask = (path: string, body: object, headers: Record<string, string> = {}): Promise<Response> => fetch(`${weir.origin}${path}`, { method: "POST", headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
  const question = { contents: [{ parts: [{ text: said.question }] }] };

  test("the key in the query is taken, and never stands in the log", async () => {
    const reply = await ask(`/v1beta/models/to-openai:generateContent?key=${weir.inferenceKey}`, question);
    expect(await reply.json()).toMatchObject({ candidates: [{ content: { parts: [{ text: said.answer }] } }] });
    expect((await fetch(`${weir.origin}/v1/models?key=${weir.inferenceKey}`).then((one) => one.json()))).toHaveProperty("models");
    for (const path of ["/v1beta/models/to-openai:doSomething", "/v1beta/nothing", "/v1beta/models/to-nowhere:generateContent"]) {
      const refused = await ask(`${path}?key=${weir.inferenceKey}`, question);
      expect(refused.status).toBe(404);
      expect(await refused.text()).not.toContain(weir.inferenceKey);
    }
    expect(weir.log().length).toBeGreaterThan(0);
    expect(JSON.stringify(weir.log())).not.toContain(weir.inferenceKey);
  });

  test("a slash in the model may be encoded", async () => {
    const reply = await ask("/v1/models/openai%2Fgpt-test:generateContent", question, { "x-goog-api-key": weir.inferenceKey });
    expect(reply.headers.get("x-weir-target")).toBe("openai/gpt-test");
  });

  test("a stream without alt=sse is a JSON array", async () => {
    const reply = await ask("/v1beta/models/to-anthropic:streamGenerateContent", question, { "x-goog-api-key": weir.inferenceKey });
    expect(reply.headers.get("content-type")).toBe("application/json; charset=UTF-8");
    const pieces = (await reply.json()) as { candidates: { content: { parts: { text: string }[] } }[] }[];
    expect(pieces.map(({ candidates }) => candidates[0]!.content.parts[0]!.text).join("")).toBe(said.answer);
  });

  test("members may be spelled with underscores", async () => {
    const reply = await ask("/v1beta/models/to-openai:generateContent", { ...question, system_instruction: { parts: [{ text: "Be brief." }] }, generation_config: { max_output_tokens: 9 } }, { "x-goog-api-key": weir.inferenceKey });
    expect(reply.status).toBe(200);
    expect(reply.headers.get("x-weir-warnings")).toBeNull();
  });
});
