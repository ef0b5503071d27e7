/** Proves that replies which are not the JSON they should be are withheld, told of or counted, in one piece and in streams. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider(() => undefined);
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-a, base_url: "${upstream.baseUrl}", models: [m] }
routes:
  person: { targets: [oai/m] }
  told: { targets: [oai/m] }
  as-asked: { targets: [oai/m] }
guardrails:
  - { name: is-person, models: [person], mode: block, reply_schema: { json_schema: '{"type":"object","properties":{"age":{"type":"integer"}},"required":["age"]}' } }
  - { name: tells, models: [told], mode: annotate, reply_schema: { json_schema: '{"type":"object"}' } }
  - { name: keeps-word, models: [as-asked], mode: block, reply_schema: {} }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

const reply = { id: "c", created: 1, model: "m" };
const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };

function says(content: string | null, more: object = {}): Answer {
  return (request, response) => {
    if (!request.body.toString().includes('"stream":true')) return json(200, { ...reply, object: "chat.completion", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content, ...more } }], usage })(request, response);
    const chunks = [...(content ?? "").match(/[\s\S]{1,4}/g)!.map((piece) => [{ index: 0, delta: { content: piece }, finish_reason: null }]), [{ index: 0, delta: {}, finish_reason: "stop" }]];
    return eventStream([...chunks.map((choices) => `data: ${JSON.stringify({ ...reply, object: "chat.completion.chunk", choices })}\n\n`), `data: ${JSON.stringify({ ...reply, object: "chat.completion.chunk", choices: [], usage })}\n\n`, "data: [DONE]\n\n"])(request, response);
  };
}

const openai = (): OpenAI => new OpenAI({ apiKey: weir.inferenceKey, baseURL: `${weir.origin}/v1`, maxRetries: 0 });
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Who?" }];
const asked = { type: "json_schema", json_schema: { name: "answer", schema: { type: "object", required: ["answer"] } } } as const;

async function whole(model: string, more: object = {}): Promise<{ readonly text: string | null; readonly warnings: string | null }> {
  const { data, response } = await openai().chat.completions.create({ model, messages, ...more }).withResponse();
  return { text: data.choices[0]!.message.content, warnings: response.headers.get("x-weir-warnings") };
}

test("a reply that fits comes through, and one that does not is withheld, without a word of it", async () => {
  upstream.answerWith(says('{"age":3}'));
  expect(await whole("person")).toEqual({ text: '{"age":3}', warnings: null });
  for (const wrong of ['{"age":"octopus"}', 'Here you are: {"age":3} octopus']) {
    upstream.answerWith(says(wrong));
    const error: unknown = await whole("person").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ status: 400 });
    expect(String(error)).toMatch(/"is-person" blocked this reply.*(#\/properties\/age\/type|it is not JSON)/);
    expect(String(error)).not.toContain("octopus");
  }
  await expect(weir.client(InferenceService, weir.inferenceKey).generate({ generation: { model: "person", messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: "Who?" } } }] }] } })).rejects.toThrow(/is-person/);
});

test("a stream is judged at its end: it ends with the error in place of its end", async () => {
  const streamed = async (): Promise<string> => {
    let text = "";
    try {
      for await (const chunk of await openai().chat.completions.create({ model: "person", messages, stream: true })) text += chunk.choices[0]?.delta.content ?? chunk.choices[0]?.finish_reason ?? "";
      return text;
    } catch (error) {
      return `${text} ${String(error)}`;
    }
  };
  upstream.answerWith(says('{"age":3,"name":"Ada"}'));
  expect(await streamed()).toBe('{"age":3,"name":"Ada"}stop');
  upstream.answerWith(says('{"age":"three"}'));
  const withheld = await streamed();
  expect(withheld).toContain('"is-person" blocked this reply');
  expect(withheld).not.toContain("stop");
});

test("a reply that does not fit can be told of alone", async () => {
  upstream.answerWith(says("[]"));
  expect(await whole("told")).toEqual({ text: "[]", warnings: "output: guardrail tells: it does not fit #/type of the schema" });
});

test("what the caller asks for is held to that, and nothing else of it is", async () => {
  upstream.answerWith(says('{"question":1}'));
  await expect(whole("as-asked", { response_format: asked })).rejects.toThrow(/keeps-word.*#\/required/);
  expect(await whole("as-asked", { response_format: { type: "json_object" } })).toMatchObject({ text: '{"question":1}' });
  upstream.answerWith(says("No JSON."));
  await expect(whole("as-asked", { response_format: { type: "json_object" } })).rejects.toThrow(/keeps-word.*not JSON/);
  expect(await whole("as-asked")).toMatchObject({ text: "No JSON." });
});

test("a reply that asks for a tool or declines is none that could fit", async () => {
  upstream.answerWith(says(null, { tool_calls: [{ id: "call_1", type: "function", function: { name: "find", arguments: "{}" } }] }));
  expect(await whole("person")).toMatchObject({ text: null });
  upstream.answerWith(says(null, { refusal: "I will not." }));
  expect(await whole("person")).toMatchObject({ text: null });
});

test("a schema that is none is refused when the rule is made", async () => {
  await expect(weir.client(PolicyService).createGuardrail({ rule: { name: "broken", mode: "block", replySchema: { jsonSchema: "{" } } })).rejects.toThrow(/no JSON object/);
});
