/** Owns the proof that Ollama's clients are understood; they read replies and lines of JSON without checking them, so what they read is checked here. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { routes, said, startUpstreams, type Upstreams } from "../harness/upstreams.ts";

let upstreams: Upstreams;
let scripted: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstreams = await startUpstreams();
  scripted = await startScriptedProvider(json(500, {}));
  weir = await startWeir({ config: upstreams.config.replace("providers:\n", `providers:\n  scripted: { vendor: openai, api_key: sk-scripted, base_url: "${scripted.baseUrl}", models: [model] }\n`) });
});
afterAll(async () => {
  await weir?.stop();
  await upstreams?.stop();
  await scripted?.stop();
});

interface Line {
  readonly model: string;
  readonly created_at: string;
  readonly message?: { readonly role: string; readonly content: string; readonly tool_calls?: readonly { readonly function: { readonly name: string } }[] };
  readonly response?: string;
  readonly done: boolean;
  readonly done_reason?: string;
  readonly error?: string;
}

const post = (path: string, body: object, key = weir.inferenceKey): Promise<Response> =>
  fetch(`${weir.origin}${path}`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${key}` }, body: JSON.stringify(body) });
const get = (path: string): Promise<Response> => fetch(`${weir.origin}${path}`, { headers: { authorization: `Bearer ${weir.inferenceKey}` } });
const linesOf = async (reply: Response): Promise<Line[]> => {
  expect(reply.headers.get("content-type")).toBe("application/x-ndjson");
  return (await reply.text()).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Line);
};

const question = [{ role: "user", content: said.question }];
const tools = [{ type: "function", function: { name: said.toolName, description: "The flow of a river.", parameters: { type: "object", properties: { river: { type: "string" } } } } }];
const counts = { prompt_eval_count: said.inputTokens, eval_count: said.outputTokens };

describe.each(routes)("Ollama's API, %s", (model) => {
  test("chat gives a whole reply", async () => {
    const reply = await post("/api/chat", { model, messages: question, stream: false });
    expect(reply.headers.get("x-weir-target")).toMatch(/-test$/);
    expect(await reply.json()).toMatchObject({ message: { role: "assistant", content: said.answer }, done: true, done_reason: "stop", created_at: expect.stringMatching(/^20..-.*Z$/) as string, ...counts });
  });

  test("chat streams unless told not to, line by line, and the last line says it is done", async () => {
    const lines = await linesOf(await post("/api/chat", { model, messages: question }));
    expect(lines.map(({ message }) => message!.content).join("")).toBe(said.answer);
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.map(({ done }) => done)).toEqual([...Array<boolean>(lines.length - 1).fill(false), true]);
    expect(lines.at(-1)).toMatchObject({ done_reason: "stop", message: { role: "assistant", content: "" }, ...counts });
    expect(new Set(lines.map((line) => line.created_at)).size).toBe(1);
  });

  test("generate gives and streams the same", async () => {
    expect(await (await post("/api/generate", { model, prompt: said.question, stream: false })).json()).toMatchObject({ response: said.answer, done: true, ...counts });
    const lines = await linesOf(await post("/api/generate", { model, prompt: said.question }));
    expect(lines.map(({ response }) => response).join("")).toBe(said.answer);
  });

  test.each([true, false])("a tool call, and the answer after its result (stream: %s)", async (stream) => {
    const messages = [{ role: "user", content: said.toolQuestion }];
    const reply = await post("/api/chat", { model, messages, tools, stream });
    const lines = stream ? await linesOf(reply) : [(await reply.json()) as Line];
    const calls = lines.flatMap(({ message }) => message!.tool_calls ?? []);
    expect(calls).toMatchObject([{ function: { name: said.toolName, arguments: said.toolArguments } }]);
    const answered = [...messages, { role: "assistant", content: "", tool_calls: calls }, { role: "tool", tool_name: said.toolName, content: "120 m³/s" }];
    expect(await (await post("/api/chat", { model, messages: answered, tools, stream: false })).json()).toMatchObject({ message: { content: said.toolAnswer } });
  });
});

test("the vendor gets options, format, images and thinking; what has no translation is named", async () => {
  scripted.answerWith(json(200, { id: "1", object: "chat.completion", created: 1, model: "model", choices: [{ index: 0, message: { role: "assistant", content: "{}", reasoning_content: "Hm." }, finish_reason: "length" }] }));
  const reply = await post("/api/chat", {
    model: "scripted/model",
    stream: false,
    messages: [{ role: "user", content: "Which river?", images: ["iVBORw0KGgo="] }],
    format: { type: "object" },
    think: "high",
    keep_alive: "5m",
    options: { temperature: 0.5, num_predict: 9, stop: "END", num_ctx: 4096 },
  });
  expect(JSON.parse(scripted.requests.at(-1)!.body.toString())).toMatchObject({
    messages: [{ role: "user", content: [{ type: "text", text: "Which river?" }, { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }] }],
    response_format: { type: "json_schema", json_schema: { schema: { type: "object" } } },
    reasoning_effort: "high",
    temperature: 0.5,
    stop: ["END"],
  });
  expect(reply.headers.get("x-weir-warnings")).toMatch(/options\.num_ctx: .*keep_alive: /);
  const body = (await reply.json()) as object;
  expect(body).toMatchObject({ message: { content: "{}", thinking: "Hm." }, done_reason: "length" });
  expect(body).not.toHaveProperty("eval_count");
});

test("embed gives a vector for each text", async () => {
  expect(await (await post("/api/embed", { model: "openai/embed-test", input: ["river"], truncate: true })).json()).toMatchObject({ embeddings: [[0.25, -0.5, 1]] });
});

test("tags lists what the key may use; version says which API it is", async () => {
  const { models } = (await (await get("/api/tags")).json()) as { models: { name: string; model: string }[] };
  expect(models.map(({ name }) => name)).toContain("to-anthropic");
  expect(await (await get("/api/version")).json()).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string });
});

describe("errors", () => {
  test.each([
    [401, "key is malformed", () => post("/api/chat", { model: "to-openai", messages: question }, "weir_wrong")],
    [404, "to-openai", () => post("/api/chat", { model: "to-opnai", messages: question })],
    [400, "messages[0].role", () => post("/api/chat", { model: "to-openai", messages: [{ role: "narrator" }] })],
    [400, "context", () => post("/api/generate", { model: "to-openai", prompt: "Hi", context: [1, 2] })],
  ])("%i, one text", async (status, words, ask) => {
    const reply = await ask();
    expect(reply.status).toBe(status);
    const body = (await reply.json()) as { error: string };
    expect(Object.keys(body)).toEqual(["error"]);
    expect(body.error).toContain(words);
  });

  test("in a stream that has begun, the last line", async () => {
    scripted.answerWith((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 1, model: "model", choices: [{ index: 0, delta: { role: "assistant", content: "A we" }, finish_reason: null }] })}\n\n`);
      setTimeout(() => response.destroy(), 50);
    });
    const lines = await linesOf(await post("/api/chat", { model: "scripted/model", messages: question }));
    expect(lines).toMatchObject([{ message: { content: "A we" }, done: false }, { error: expect.any(String) as string }]);
  });
});
