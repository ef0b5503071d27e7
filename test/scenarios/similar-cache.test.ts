/** Proves that a reply is given again to who asks the like of it, where all but the words of the last text is the very same, and that whatever fails is a miss. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;
let organizationId: string;
let teamId: string;
let embeddings: Answer;
let count = 0;

beforeAll(async () => {
  upstream = await startScriptedProvider((request, response) => answerTo(request)(request, response));
  weir = await startWeir({
    config: `
providers:
  up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m], tags: [eu] }
  vectors: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [e] }
  ant: { vendor: anthropic, api_key: k, base_url: "${upstream.baseUrl}", models: [m] }
routes:
  faq: { targets: [up/m] }
  faq-ant: { targets: [ant/m] }
  hurried: { targets: [up/m] }
  careful: { targets: [up/m] }
models: { openai/m: { max_output_tokens: 100 } }
prices:
  openai/m: { input: "1", output: "10" }
  openai/e: { input: "1" }
guardrails:
  - { name: at-home, models: [careful], mode: restrict, target_tags: [eu] }
cache:
  max_bytes: 1048576
  rules:
    - { models: [hurried], lifetime: 600s, similar: { model: vectors/e, timeout: 1s } }
    - { models: [faq, faq-ant, careful], lifetime: 600s, similar: { model: vectors/e, timeout: 20s } }
`,
  });
  const [team] = (await weir.client(PolicyService).listTeams({})).teams;
  ({ id: teamId, organizationId } = team!);
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});
beforeEach(() => {
  embeddings = embedded;
});

const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };

function answerTo(request: UpstreamRequest): Answer {
  const { path, body } = request;
  if (path.endsWith("/embeddings")) return embeddings;
  const { stream } = JSON.parse(body.toString()) as { stream?: boolean };
  const text = `answer ${++count}`;
  if (path.endsWith("/messages")) return json(200, { id: "msg", type: "message", role: "assistant", model: "m", content: [{ type: "text", text }], stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 3, output_tokens: 5 } });
  if (stream !== true) return json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }], usage });
  const chunk = (choices: unknown, more: object = {}): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices, ...more })}\n\n`;
  return eventStream([chunk([{ index: 0, delta: { role: "assistant", content: text }, finish_reason: null }]), chunk([{ index: 0, delta: {}, finish_reason: "stop" }]), chunk([], { usage }), "data: [DONE]\n\n"]);
}

const embedded: Answer = (request, response) => {
  const { input } = JSON.parse(request.body.toString()) as { input: string[] };
  return vectorReply([input].flat().map(vectorOf))(request, response);
};

function vectorReply(vectors: readonly number[][]): Answer {
  return json(200, { object: "list", model: "e", data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })), usage: { prompt_tokens: 3, total_tokens: 3 } });
}

/** Each word is a direction, and what is asked about is in the long ones. */
function vectorOf(text: string): number[] {
  const vector = Array.from({ length: 512 }, () => 0);
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) vector[[...word].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) % 512, 7)]! += word.length > 6 ? 10 : 1;
  return vector;
}

interface Asked {
  readonly text: string;
  readonly cache: string | null;
  readonly similarity: string | null;
  readonly response: Response;
}

interface Options {
  readonly model?: string;
  readonly key?: string;
  readonly headers?: Record<string, string>;
  readonly system?: string;
  readonly [field: string]: unknown;
}

async function ask(content: string, { model = "faq", key = weir.inferenceKey, headers = {}, system = "Be kind.", ...fields }: Options = {}): Promise<Asked> {
  const response = await fetch(`${weir.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, messages: [{ role: "system", content: system }, { role: "user", content }], ...fields }),
  });
  return { text: await response.text(), cache: response.headers.get("x-weir-cache"), similarity: response.headers.get("x-weir-cache-similarity"), response };
}

async function figure(name: string, labels = ""): Promise<number> {
  const all = await Promise.all(weir.processes.map(async ({ adminOrigin }) => (await fetch(`${adminOrigin}/metrics`)).text()));
  return all.flatMap((text) => [...text.matchAll(new RegExp(`^${name}(?:\\{.*${labels}.*\\})? ([0-9.]+)$`, "gm"))]).reduce((sum, [, value]) => sum + Number(value), 0);
}

/** A call whose reply is found by meaning afterwards: its vector may come after it. */
async function teach<Result>(call: () => Promise<Result>): Promise<Result> {
  const before = await figure("weir_cache_similar_replies");
  const result = await call();
  await expect.poll(() => figure("weir_cache_similar_replies")).toBe(before + 1);
  return result;
}

/** That it is a miss, whose reply is found by meaning afterwards. */
async function expectMiss(content: string, options: Options = {}): Promise<void> {
  expect((await teach(() => ask(content, options))).cache).toBe("miss");
}

/** What the vendors were asked meanwhile about something, by the last word of its path. */
async function askedAbout(word: string, work: () => Promise<unknown>): Promise<string[]> {
  const before = upstream.requests.length;
  await work();
  return upstream.requests.slice(before).filter(({ body }) => body.includes(word)).map(({ path }) => path.split("/").at(-1)!);
}

async function makeKey(team = teamId, more: object = {}): Promise<{ id: string; secret: string }> {
  const { key, secret } = await weir.client(PolicyService).createKey({ teamId: team, name: `key ${++count}`, consistency: Consistency.STALE_OK, ...more });
  return { id: key!.id, secret };
}

const openai = (): OpenAI => new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });

describe("who asks the like of it is given the reply", () => {
  test("in OpenAI's dialect, whole; what was asked in these words is found without a vector", async () => {
    const first = await teach(() => ask("How do I reset my password?"));
    expect([first.cache, first.similarity]).toEqual(["miss", null]);
    expect(await askedAbout("password", async () => {
      const similar = await ask("How can I reset my password?");
      expect([similar.cache, similar.text]).toEqual(["similar", first.text]);
      expect(similar.similarity).toMatch(/^0\.9[5-9][0-9]$/);
      expect(Number(similar.response.headers.get("age"))).toBeLessThan(60);
    })).toEqual(["embeddings"]);
    expect(await askedAbout("password", async () => {
      const hit = await ask("How do I reset my password?");
      expect([hit.cache, hit.similarity, hit.text]).toEqual(["hit", null, first.text]);
    })).toEqual([]);
  });

  test.each(["faq", "faq-ant"])("in a stream of OpenAI's SDK, from %s", async (model) => {
    const call = (content: string) => openai().chat.completions.create({ model, messages: [{ role: "user", content }], stream: model === "faq" }).asResponse();
    const first = await teach(async () => (await call("Where can I find my streamed invoices?")).text());
    expect(await askedAbout("streamed", async () => {
      const response = await call("Where do I find my streamed invoices?");
      expect(response.headers.get("x-weir-cache")).toBe("similar");
      expect(textIn(await response.text())).toBe(textIn(first));
    })).toEqual(["embeddings"]);
  });

  test.each(["faq", "faq-ant"])("to the Anthropic SDK, from %s", async (model) => {
    const client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
    const call = (text: string) => client.messages.create({ model, max_tokens: 50, system: "Be kind.", messages: [{ role: "user", content: [{ type: "text", text }] }] }).withResponse();
    const first = await teach(() => call("How do I close my account?"));
    const second = await call("How can I close my account?");
    expect(second.response.headers.get("x-weir-cache")).toBe("similar");
    expect(second.data.content).toEqual(first.data.content);
  });

  test("in types", async () => {
    let cache: string | null = null;
    const call = (text: string) =>
      weir.client(InferenceService, weir.inferenceKey).generate({ generation: { model: "faq", messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text } } }] }] } }, { onHeader: (headers) => (cache = headers.get("x-weir-cache")) });
    const first = await teach(() => call("How do I change my address?"));
    const second = await call("How can I change my address?");
    expect([cache, second.candidates]).toEqual(["similar", first.candidates]);
  });
});

describe("who asks anything else is not", () => {
  test("another question, another number, other instructions, other parameters, a stream, a further turn", async () => {
    await expectMiss("How long is the warranty of item 17?");
    expect((await ask("How long was the warranty of item 17?")).cache).toBe("similar");
    await expectMiss("Who made item 17?");
    await expectMiss("How long was the warranty of item 18?");
    await expectMiss("How long was the warranty of item 17?", { system: "Be brief." });
    await expectMiss("How long was the warranty of item 17?", { temperature: 0 });
    await expectMiss("How long was the warranty of item 17?", { stream: true });
    await expectMiss("", { messages: [{ role: "system", content: "Be kind." }, { role: "user", content: "Hi." }, { role: "user", content: "How long was the warranty of item 17?" }] });
  });

  test("another organization", async () => {
    const policy = weir.client(PolicyService);
    const { organization } = await policy.createOrganization({ name: "other" });
    const { team } = await policy.createTeam({ organizationId: organization!.id, name: "theirs" });
    const { secret } = await makeKey(team!.id);
    const mine = await teach(() => ask("Which plans does our company have?"));
    const theirs = await teach(() => ask("Which plans did our company have?", { key: secret }));
    expect([theirs.cache, theirs.text === mine.text]).toEqual(["miss", false]);
    expect((await ask("Which plans did our company have?")).text).toBe(mine.text);
  });

  test("the caller: no-cache has a new one kept, no-store tells nobody the text, max-age=0 takes none", async () => {
    await teach(() => ask("What does express shipping cost?"));
    await expectMiss("What did express shipping cost?", { headers: { "cache-control": "max-age=0" } });
    expect(await askedAbout("express", async () => expect((await ask("What would express shipping cost?", { headers: { "cache-control": "no-store" } })).cache).toBe("bypass"))).toEqual(["completions"]);
    const anew = await teach(() => ask("What might express shipping cost?", { headers: { "cache-control": "no-cache" } }));
    expect(anew.cache).toBe("bypass");
    expect((await ask("What might express shipping cost")).text).toBe(anew.text);
  });
});

describe("whatever becomes of the vector, the call is served", () => {
  test.each<[string, string, Answer]>([
    ["the vendor is down", "unsubscribe", json(503, { error: { message: "down" } })],
    ["it has no length", "reactivate", vectorReply([[0, 0]])],
    ["it has another length", "translate", vectorReply([[1, 1]])],
    ["it is none", "participate", json(200, { object: "list", model: "e", data: [], usage })],
  ])("%s", async (name, word, answer) => {
    await teach(() => ask(`How do I ${word}?`));
    embeddings = answer;
    const miss = await ask(`How can I ${word}?`);
    expect([miss.response.status, miss.cache]).toEqual([200, "miss"]);
    expect((await ask(`How can I ${word}?`)).cache).toBe("hit");
    if (name !== "it has another length") await expect.poll(() => weir.log()).toContainEqual(expect.objectContaining({ msg: "the cache got no vector of a text, and did without", requestId: miss.response.headers.get("x-request-id") }));
  });

  test("it comes too late", async () => {
    await teach(() => ask("How do I travel quickly?", { model: "hurried" }));
    embeddings = async ({ aborted }) => aborted;
    const miss = await ask("How can I travel quickly?", { model: "hurried" });
    expect([miss.response.status, miss.cache]).toEqual([200, "miss"]);
    embeddings = embedded;
    expect((await ask("How should I travel quickly?", { model: "hurried" })).cache).toBe("similar");
  });

  test("a budget has nothing left for it", async () => {
    const { id, secret } = await makeKey();
    await teach(() => ask("How do I save electricity?", { key: secret }));
    await weir.client(PolicyService).createBudget({ organizationId, name: `nothing for ${id}`, subject: { keyId: id }, limitNanos: 1n, period: BudgetPeriod.TOTAL });
    await expect.poll(async () => (await ask(`Whatever ${++count}`, { key: secret, headers: { "cache-control": "no-store" } })).response.status).toBe(429);
    expect(await askedAbout("electricity", async () => expect((await ask("How can I save electricity?", { key: secret })).response.status).toBe(429))).toEqual([]);
    expect((await ask("How do I save electricity?", { key: secret })).cache).toBe("hit");
  });
});

test("the vector is on the caller's account, marked, under the request's id", async () => {
  await teach(() => ask("Where is your headquarter?"));
  const { id, secret } = await makeKey();
  const similar = await ask("Where was your headquarter?", { key: secret, headers: { "x-weir-labels": "workflow=faq" } });
  expect(similar.cache).toBe("similar");
  const attempts = await weir.attempts(1, { requestId: similar.response.headers.get("x-request-id")! });
  expect(attempts.map(({ event }) => event!.intent!).map(({ operation, provider, model, attribution }) => ({ operation, target: `${provider}/${model}`, key: attribution!.keyId, labels: attribution!.labels }))).toEqual([
    { operation: "embed", target: "vectors/e", key: id, labels: { workflow: "faq", weir_cache: "similar" } },
  ]);
  await expect.poll(async () => (await weir.client(MeteringService).queryUsage({ organizationId, keyId: id })).rows.reduce((sum, { cacheHits }) => sum + cacheHits, 0n)).toBe(1n);
  expect(await figure("weir_cache_uses_total", 'outcome="similar"')).toBeGreaterThan(0);
});

describe("it goes past no policy", () => {
  test("a rate limit counts it as a request, and none of its tokens", async () => {
    const { id, secret } = await makeKey();
    await weir.client(PolicyService).createRateLimit({ rule: { organizationId, keyId: id, name: "words", count: "tokens", amount: 1_000_000n, window: "day" } });
    await teach(() => ask("How many permissions are left?", { key: secret }));
    await expect.poll(async () => (await ask("How many permissions are left?", { key: secret })).response.headers.get("x-ratelimit-remaining-tokens")).toMatch(/^[0-9]+$/);
    const left = async (content: string) => {
      const { cache, response } = await ask(content, { key: secret });
      return [cache, response.headers.get("x-ratelimit-remaining-tokens")];
    };
    const [, before] = await left("How many permissions are left?");
    expect(await left("How many permissions were left?")).toEqual(["similar", before]);
    expect(await left("How many permissions have left?")).toEqual(["similar", before]);
  });

  test("where a guardrail has masked something, only the very same is found; a rule on the output looks at it anew", async () => {
    const policy = weir.client(PolicyService);
    const { id, secret } = await makeKey();
    await policy.createGuardrail({ rule: { organizationId, keyId: id, name: "addresses", detectors: ["email"], mode: "mask", restore: true } });
    await policy.createGuardrail({ rule: { organizationId, keyId: id, name: "no-answers", words: ["answer"], mode: "mask", sides: ["output"] } });
    await expect.poll(async () => (await ask("Can one@example.com write a complaint to you?", { key: secret })).text).toContain("[WORD_1]");
    await teach(() => ask("May I write a complaint to you?", { key: secret }));
    expect(await askedAbout("complaint", async () => {
      const masked = await ask("May one@example.com write a complaint to you?", { key: secret });
      expect(masked.cache).toBe("miss");
    })).toEqual(["completions"]);
    expect((await ask("May two@example.com write a complaint to you?", { key: secret })).cache).toBe("hit");
    const similar = await ask("Can I write a complaint to you?", { key: secret });
    expect([similar.cache, similar.text]).toEqual(["similar", expect.stringContaining("[WORD_1]")]);
  });

  test("a text is told to no target that the call may not go to, by a guardrail or by its key", async () => {
    expect(await askedAbout("confidential", async () => {
      await ask("What must stay confidential?", { model: "careful" });
      expect((await ask("What should stay confidential?", { model: "careful" })).cache).toBe("miss");
    })).toEqual(["completions", "completions"]);
    const { secret } = await makeKey(teamId, { scope: { providers: ["up"] } });
    expect(await askedAbout("upstairs", async () => {
      await ask("What must stay upstairs?", { key: secret });
      expect((await ask("What should stay upstairs?", { key: secret })).cache).toBe("miss");
    })).toEqual(["completions", "completions"]);
  });
});

/** What the model said, whole or in events. */
function textIn(reply: string): string {
  return /answer [0-9]+/.exec(reply)![0];
}
