/** Proves that guardrails keep calls with what they look for to the targets that may have it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const address = "ada.lovelace@example.com";
const answer = json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "done" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });

let world: ScriptedProvider;
let europe: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  world = await startScriptedProvider(answer);
  europe = await startScriptedProvider(answer);
  weir = await startWeir({
    config: `
providers:
  world: { vendor: openai, api_key: sk-a, base_url: "${world.baseUrl}", models: [m] }
  europe: { vendor: openai, api_key: sk-b, base_url: "${europe.baseUrl}", models: [m], tags: [eu, no-training] }
routes:
  chat: { targets: [world/m, europe/m] }
  europe-first: { targets: [europe/m, world/m] }
  only-here: { targets: [europe/m] }
guardrails:
  - { name: personal-data-in-eu, detectors: [email, phone], mode: restrict, target_tags: [eu, on-premises] }
  - { name: stays-here, models: [only-here], mode: restrict, target_tags: [on-premises] }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await world?.stop();
  await europe?.stop();
});

interface Asked {
  readonly status: number;
  readonly body: { readonly error?: { readonly code: string; readonly message: string } };
  readonly target: string | null;
  readonly warnings: string | null;
}

async function ask(model: string, text: string, path = "chat/completions"): Promise<Asked> {
  const content = path === "embeddings" ? { input: text } : { messages: [{ role: "user", content: text }] };
  const response = await fetch(`${weir.origin}/v1/${path}`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: JSON.stringify({ model, ...content }) });
  return { status: response.status, body: (await response.json()) as Asked["body"], target: response.headers.get("x-weir-target"), warnings: response.headers.get("x-weir-warnings") };
}

test("a call with what a rule looks for passes over the targets that may not have it", async () => {
  expect(await ask("chat", "Hello.")).toMatchObject({ status: 200, target: "world/m", warnings: null });
  const before = world.requests.length;
  expect(await ask("chat", `Write to ${address}.`)).toMatchObject({ status: 200, target: "europe/m", warnings: "input: guardrail personal-data-in-eu found email" });
  const { target } = await weir.client(InferenceService, weir.inferenceKey).generate({
    generation: { model: "chat", messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: `Write to ${address}.` } } }] }] },
  });
  expect(target).toBe("europe/m");
  expect(world.requests.length).toBe(before);
});

test("where no target is left, the refusal names the rule and not what it found", async () => {
  const before = world.requests.length;
  for (const path of ["chat/completions", "embeddings"]) {
    const { status, body } = await ask("world/m", `Write to ${address}.`, path);
    expect(status).toBe(403);
    expect(body.error!.message).toContain('"personal-data-in-eu" keeps this call from world/m: it found email in its input, and only targets tagged eu, on-premises');
    expect(JSON.stringify(body)).not.toContain(address);
  }
  expect(world.requests.length).toBe(before);
});

test("a rule that looks for nothing is for every call", async () => {
  const { status, body } = await ask("only-here", "Hello.");
  expect(status).toBe(403);
  expect(body.error!.message).toContain('"stays-here" keeps this call from europe/m: it is for every call');
});

test("why the only target that is allowed failed says more than why the other one is not", async () => {
  europe.answerWith(json(503, { error: { message: "overloaded" } }));
  expect(await ask("europe-first", `Write to ${address}.`)).toMatchObject({ status: 502, body: { error: { code: "upstream_unavailable" } } });
  europe.answerWith(answer);
});
