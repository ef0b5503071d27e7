/** Proves that a reply that is kept is given again through every door, within its organization alone, for nothing, and past no policy. */
import { rename, writeFile } from "node:fs/promises";
import Anthropic from "@anthropic-ai/sdk";
import { Metadata } from "@grpc/grpc-js";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { UsageDimension } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { createGrpcStub } from "../harness/grpc-client.ts";
import { eventStream, json, startScriptedProvider, type Answer, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;
let organizationId: string;
let teamId: string;
let count = 0;

const cacheRules = `
cache:
  max_bytes: 1048576
  max_entry_bytes: 65536
  rules:
    - { models: [by-key], lifetime: 600s, share: key }
    - { models: [chat, chat-ant, failing, "up/*"], lifetime: 600s }
`;
const configWith = (rest: string): string => `
providers:
  up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m, e] }
  ant: { vendor: anthropic, api_key: k, base_url: "${upstream.baseUrl}", models: [m] }
routes:
  chat: { targets: [up/m] }
  chat-ant: { targets: [ant/m] }
  by-key: { targets: [up/m] }
  uncached: { targets: [ant/m] }
models: { openai/m: { max_output_tokens: 100 } }
prices: { openai/m: { input: "1", output: "10" } }
${rest}`;

const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };
const chunk = (choices: unknown, more: object = {}): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices, ...more })}\n\n`;

const whole = (text: string): object => ({ id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: text } }], usage });

/** Answers of both vendors in one piece, and of OpenAI's in a stream, each with a text that no other has; a stream breaks off where the prompt says so. */
const answer: Answer = (request, response) => answerTo(request)(request, response);

function answerTo({ path, body }: UpstreamRequest): Answer {
  const { stream } = JSON.parse(body.toString()) as { stream?: boolean };
  const text = `answer ${++count}`;
  if (path.endsWith("/embeddings")) return json(200, { object: "list", model: "e", data: [{ object: "embedding", index: 0, embedding: [count] }], usage });
  if (path.endsWith("/messages")) return json(200, { id: "msg", type: "message", role: "assistant", model: "m", content: [{ type: "text", text }], stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 3, output_tokens: 5 } });
  if (stream !== true) return json(200, whole(text), { "x-request-id": `vendor-${count}` });
  const beginning = chunk([{ index: 0, delta: { role: "assistant", content: text }, finish_reason: null }]);
  if (!body.includes("cut me")) return eventStream([beginning, chunk([{ index: 0, delta: {}, finish_reason: "stop" }]), chunk([], { usage }), "data: [DONE]\n\n"]);
  return (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(beginning, () => response.socket!.end());
  };
}

beforeAll(async () => {
  upstream = await startScriptedProvider(answer);
  weir = await startWeir({ config: configWith(cacheRules) });
  const [team] = (await weir.client(PolicyService).listTeams({})).teams;
  ({ id: teamId, organizationId } = team!);
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

interface Asked {
  readonly text: string;
  readonly cache: string | null;
  readonly response: Response;
}

/** A chat completion, with how it stands to the cache. */
async function ask(content: string, { model = "chat", key = weir.inferenceKey, headers = {}, ...fields }: { model?: string; key?: string; headers?: Record<string, string>; [field: string]: unknown } = {}): Promise<Asked> {
  const response = await fetch(`${weir.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model, messages: [{ role: "user", content }], ...fields }),
  });
  return { text: await response.text(), cache: response.headers.get("x-weir-cache"), response };
}

async function makeKey(team = teamId): Promise<{ id: string; secret: string }> {
  const { key, secret } = await weir.client(PolicyService).createKey({ teamId: team, name: `key ${++count}`, consistency: Consistency.STALE_OK });
  return { id: key!.id, secret };
}

/** What the vendor was asked meanwhile. */
async function requestsDuring(work: () => Promise<unknown>): Promise<number> {
  const before = upstream.requests.length;
  await work();
  return upstream.requests.length - before;
}

const userSays = (text: string) => [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text } } }] }];

describe("a reply that is kept is given again, without a vendor", () => {
  test("to the OpenAI SDK, whole", async () => {
    const client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
    const call = () => client.chat.completions.create({ model: "chat", messages: [{ role: "user", content: "whole" }] }).withResponse();
    const first = await call();
    expect([first.response.headers.get("x-weir-cache"), first.response.headers.get("age"), first.response.headers.get("x-weir-upstream-request-id")]).toEqual(["miss", null, expect.stringMatching(/^vendor-/)]);
    expect(await requestsDuring(async () => {
      const second = await call();
      expect(second.data).toEqual(first.data);
      expect([second.response.headers.get("x-weir-cache"), second.response.headers.get("x-weir-upstream-request-id")]).toEqual(["hit", null]);
      expect(Number(second.response.headers.get("age"))).toBeLessThan(60);
      expect(second.response.headers.get("x-request-id")).not.toBe(first.response.headers.get("x-request-id"));
    })).toBe(0);
  });

  test.each(["chat", "chat-ant"])("to the OpenAI SDK, in a stream, from %s", async (model) => {
    upstream.answerWith(model === "chat" ? answer : anthropicStream);
    const client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
    const ask = () => client.chat.completions.create({ model, messages: [{ role: "user", content: "stream" }], stream: true, stream_options: { include_usage: true } });
    const readAll = async (data: AsyncIterable<OpenAI.ChatCompletionChunk>): Promise<{ chunks: OpenAI.ChatCompletionChunk[]; text: string }> => {
      const chunks: OpenAI.ChatCompletionChunk[] = [];
      for await (const one of data) chunks.push(one);
      return { chunks, text: chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("") };
    };
    const first = await ask().withResponse();
    expect(first.response.headers.get("x-weir-cache")).toBe("miss");
    const { text: firstText } = await readAll(first.data);
    expect(await requestsDuring(async () => {
      const { data, response } = await ask().withResponse();
      const { chunks, text } = await readAll(data);
      expect(text).toMatch(/^answer/);
      expect(text).toBe(firstText);
      expect(chunks.at(-1)!.usage).toMatchObject({ total_tokens: 8 });
      expect(response.headers.get("x-weir-cache")).toBe("hit");
    })).toBe(0);
    upstream.answerWith(answer);
  });

  test.each(["chat", "chat-ant"])("to the Anthropic SDK, from %s", async (model) => {
    const client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
    const call = () => client.messages.create({ model, max_tokens: 50, messages: [{ role: "user", content: "messages" }] }).withResponse();
    const first = await call();
    expect(first.response.headers.get("x-weir-cache")).toBe("miss");
    const second = await call();
    expect(second.response.headers.get("x-weir-cache")).toBe("hit");
    expect(second.data.content).toEqual(first.data.content);
    expect(second.data.usage).toEqual(first.data.usage);
  });

  test("to the Anthropic SDK, in a stream", async () => {
    upstream.answerWith(anthropicStream);
    const client = new Anthropic({ baseURL: weir.origin, apiKey: weir.inferenceKey, maxRetries: 0 });
    const asked = { model: "chat-ant", max_tokens: 50, messages: [{ role: "user" as const, content: "stream" }] };
    const first = client.messages.stream(asked);
    const text = await first.finalText();
    expect(first.response!.headers.get("x-weir-cache")).toBe("miss");
    expect(await requestsDuring(async () => {
      const stream = client.messages.stream(asked);
      expect(await stream.finalText()).toBe(text);
      expect(stream.response!.headers.get("x-weir-cache")).toBe("hit");
    })).toBe(0);
    upstream.answerWith(answer);
  });

  test("by gRPC, whatever the labels, with its own request id", async () => {
    const stub = createGrpcStub(InferenceService, weir.authority);
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${weir.inferenceKey}`);
    try {
      const first = await stub.generate({ generation: { model: "chat", messages: userSays("rpc"), labels: { workflow: "one" } } }, metadata);
      const before = upstream.requests.length;
      const second = await stub.generate({ generation: { model: "chat", messages: userSays("rpc"), labels: { workflow: "two" } } }, metadata);
      expect(second).toEqual({ ...first, requestId: expect.stringMatching(/^req_/) });
      expect(second.requestId).not.toBe(first.requestId);
      const stream = () => new Promise<{ cache: unknown; events: (string | undefined)[] }>((resolve, reject) => {
        const call = stub.streamGenerate({ generation: { model: "chat", messages: userSays("rpc stream") } }, metadata);
        const events: (string | undefined)[] = [];
        let cache: unknown;
        call.on("metadata", (header: Metadata) => (cache = header.get("x-weir-cache")[0]));
        call.on("data", ({ event }) => events.push(event.case));
        call.on("error", reject);
        call.on("end", () => resolve({ cache, events }));
      });
      expect(upstream.requests.length).toBe(before);
      const streamed = await stream();
      expect(streamed.cache).toBe("miss");
      expect(await stream()).toEqual({ ...streamed, cache: "hit" });
    } finally {
      stub.close();
    }
  });

  test("of embeddings", async () => {
    const client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
    const call = () => client.embeddings.create({ model: "up/e", input: "river" }).withResponse();
    const first = await call();
    const second = await call();
    expect([first, second].map(({ response }) => response.headers.get("x-weir-cache"))).toEqual(["miss", "hit"]);
    expect(second.data).toEqual(first.data);
  });
});

describe("what else decides", () => {
  test("a field that differs, `user` included, is another request", async () => {
    await ask("exact");
    expect((await ask("exact", { user: "somebody" })).cache).toBe("miss");
    expect((await ask("exact", { temperature: 1 })).cache).toBe("miss");
    expect((await ask("exact")).cache).toBe("hit");
  });

  test("no rule, no header", async () => {
    await ask("none", { model: "uncached" });
    expect((await ask("none", { model: "uncached" })).cache).toBeNull();
  });

  test("organizations never share, nor do keys where the rule says so", async () => {
    const policy = weir.client(PolicyService);
    const { organization } = await policy.createOrganization({ name: "other" });
    const { team } = await policy.createTeam({ organizationId: organization!.id, name: "theirs" });
    const [mine, theirs] = [await makeKey(), await makeKey(team!.id)];
    const first = await ask("tenants");
    expect((await ask("tenants", { key: mine.secret })).text).toBe(first.text);
    const others = await ask("tenants", { key: theirs.secret });
    expect(others.cache).toBe("miss");
    expect(others.text).not.toBe(first.text);
    await ask("keys", { model: "by-key" });
    expect((await ask("keys", { model: "by-key", key: mine.secret })).cache).toBe("miss");
    expect((await ask("keys", { model: "by-key" })).cache).toBe("hit");
  });

  test("the caller: no-cache has a new one kept, no-store none, max-age=0 takes none", async () => {
    const first = await ask("control");
    const anew = await ask("control", { headers: { "cache-control": "no-cache" } });
    expect([anew.cache, anew.text === first.text]).toEqual(["bypass", false]);
    const hit = await ask("control");
    expect([hit.cache, hit.text]).toEqual(["hit", anew.text]);
    const alone = await ask("control", { headers: { "cache-control": "no-store" } });
    expect([alone.cache, alone.text === anew.text]).toEqual(["bypass", false]);
    expect((await ask("control", { headers: { "cache-control": "max-age=600" } })).text).toBe(anew.text);
    expect((await ask("control", { headers: { "cache-control": "max-age=0" } })).cache).toBe("miss");
  });

  test("a reply that the vendor is to store is never given again", async () => {
    await ask("stored", { store: true });
    expect((await ask("stored", { store: true })).cache).toBe("bypass");
  });

  test("neither errors, nor streams that were cut, nor replies beyond the largest are kept", async () => {
    upstream.answerWith(json(400, { error: { message: "no" } }));
    expect((await ask("error")).response.status).toBe(400);
    upstream.answerWith(json(200, { error: { message: "Provider returned error", code: 502 } }));
    expect((await ask("error")).response.status).toBe(502);
    upstream.answerWith(answer);
    expect((await ask("error")).cache).toBe("miss");
    expect((await ask("cut me", { stream: true })).text).toContain("upstream_interrupted");
    expect((await ask("cut me", { stream: true })).cache).toBe("miss");
    upstream.answerWith(json(200, whole("x".repeat(70_000))));
    await ask("large");
    expect((await ask("large")).cache).toBe("miss");
    upstream.answerWith(answer);
  });
});

describe("a hit goes past no policy", () => {
  test("a rate limit counts it as a request, and none of its tokens", async () => {
    const { id, secret } = await makeKey();
    const policy = weir.client(PolicyService);
    await policy.createRateLimit({ rule: { organizationId, keyId: id, name: "words", count: "tokens", amount: 1_000_000n, window: "day" } });
    await policy.createRateLimit({ rule: { organizationId, keyId: id, name: "few", count: "requests", amount: 3n, window: "day" } });
    await expect.poll(async () => (await ask("limited", { key: secret })).response.headers.get("x-ratelimit-remaining-requests")).toBe("2");
    const left = async () => (await ask("limited", { key: secret })).response.headers.get("x-ratelimit-remaining-tokens");
    const [first, second] = [await left(), await left()];
    expect([first, second]).toEqual([expect.stringMatching(/^[0-9]+$/), first]);
    const refused = await ask("limited", { key: secret });
    expect([refused.response.status, refused.cache]).toEqual([429, null]);
  });

  test("guardrails look at it anew: a rule that was made since applies, on both sides", async () => {
    const { id, secret } = await makeKey();
    const policy = weir.client(PolicyService);
    const stub = weir.client(InferenceService, secret);
    const call = () => stub.generate({ generation: { model: "chat", messages: userSays("guarded") } });
    await call();
    await policy.createGuardrail({ rule: { organizationId, keyId: id, name: "no-answers", words: ["answer"], mode: "mask", sides: ["output"] } });
    const before = upstream.requests.length;
    await expect.poll(async () => JSON.stringify((await call()).candidates, bigints)).toContain("[WORD_1]");
    expect(upstream.requests.length).toBe(before);
    expect((await call()).warnings).toMatchObject([{ field: "output" }]);
    await policy.createGuardrail({ rule: { organizationId, keyId: id, name: "no-guards", words: ["guarded"], mode: "block", sides: ["input"] } });
    await expect.poll(() => call().then(() => "", String)).toContain("no-guards");
  });

  test("a reply that a guardrail blocks, at its end even, is not kept", async () => {
    const { id, secret } = await makeKey();
    await weir.client(PolicyService).createGuardrail({ rule: { organizationId, keyId: id, name: "no-answer", words: ["answer"], mode: "block", sides: ["output"] } });
    const stream = async (key: string, text: string) => {
      for await (const _ of weir.client(InferenceService, key).streamGenerate({ generation: { model: "chat", messages: userSays(text) } }));
    };
    await expect.poll(() => stream(secret, "blocked once the rule is there").then(() => "", String)).toContain("no-answer");
    await expect(stream(secret, "blocked")).rejects.toThrow("no-answer");
    expect(await requestsDuring(() => stream(weir.inferenceKey, "blocked"))).toBe(1);
    expect(await requestsDuring(() => stream(weir.inferenceKey, "blocked"))).toBe(0);
  });

  test("what was masked reversibly is put back for each caller", async () => {
    const { id, secret } = await makeKey();
    await weir.client(PolicyService).createGuardrail({ rule: { organizationId, keyId: id, name: "addresses", detectors: ["email"], mode: "mask", restore: true } });
    upstream.answerWith((request, response) => {
      const { messages } = JSON.parse(request.body.toString()) as { messages: { content: string }[] };
      return json(200, whole(`you wrote: ${messages[0]!.content}`))(request, response);
    });
    await expect.poll(async () => (await ask("write to one@example.com", { key: secret })).response.headers.get("x-weir-warnings")).toContain("addresses");
    const hit = await ask("write to two@example.com", { key: secret });
    expect(hit.cache).toBe("hit");
    expect(hit.text).toContain("you wrote: write to two@example.com");
    upstream.answerWith(answer);
  });

  test("it draws on no budget, and stands in no ledger; one that has nothing left still has its hits", async () => {
    const { id, secret } = await makeKey();
    await ask("budgeted");
    await weir.client(PolicyService).createBudget({ organizationId, name: `nothing for ${id}`, subject: { keyId: id }, limitNanos: 1n, period: BudgetPeriod.TOTAL });
    await expect.poll(async () => (await ask(`other ${++count}`, { key: secret })).response.status).toBe(429);
    const hit = await ask("budgeted", { key: secret });
    expect([hit.response.status, hit.cache]).toEqual([200, "hit"]);
    const { attempts } = await weir.client(MeteringService).listAttempts({ requestId: hit.response.headers.get("x-request-id")! });
    expect(attempts).toEqual([]);
  });

  test("a revoked key has none", async () => {
    const { id, secret } = await makeKey();
    await ask("revoked");
    expect((await ask("revoked", { key: secret })).cache).toBe("hit");
    await weir.client(PolicyService).revokeKey({ keyId: id });
    await expect.poll(async () => (await ask("revoked", { key: secret })).response.status).toBe(401);
  });
});

test("reports count hits and misses, by key, label, model, route and hour; a rebuild leaves them", async () => {
  const { id, secret } = await makeKey();
  const headers = { "x-weir-labels": "workflow=reports" };
  await ask("reported", { key: secret, headers });
  for (let call = 0; call < 3; call++) await ask("reported", { key: secret, headers });
  await weir.attempts(1);
  const metering = weir.client(MeteringService);
  const report = async () => {
    const { rows } = await metering.queryUsage({ organizationId, keyId: id, groupBy: [UsageDimension.TEAM, UsageDimension.MODEL, UsageDimension.ROUTE], groupByLabels: ["workflow"] });
    return rows.map(({ group, attempts, cacheHits, cacheMisses }) => ({ group, attempts, cacheHits, cacheMisses }));
  };
  const expected = [{ group: [teamId, "up/m", "chat", "reports"], attempts: 1n, cacheHits: 3n, cacheMisses: 1n }];
  await expect.poll(report).toEqual(expected);
  await metering.rebuildLedger({});
  expect(await report()).toEqual(expected);
  const byHour = await metering.queryUsage({ organizationId, keyId: id, groupBy: [UsageDimension.HOUR], withLatency: true });
  expect(byHour.rows.reduce((sum, { cacheHits }) => sum + cacheHits, 0n)).toBe(3n);
});

describe("a changed file holds at once", () => {
  const replaceConfig = async (text: string): Promise<void> => {
    await writeFile(`${weir.configPath}.new`, text);
    await rename(`${weir.configPath}.new`, weir.configPath);
  };

  test("where a provider has another address, what it said at the former one is not given again", async () => {
    await ask("moved");
    expect((await ask("moved")).cache).toBe("hit");
    await replaceConfig(configWith(cacheRules).replaceAll('/v1"', '/elsewhere/v1"'));
    await expect.poll(async () => (await ask("moved")).cache).toBe("miss");
    expect(upstream.requests.at(-1)!.path).toMatch(/elsewhere/);
    expect((await ask("moved")).cache).toBe("hit");
  });

  test("where it says no more of a cache, nothing is given again, not even when it does again", async () => {
    await ask("reloaded");
    expect((await ask("reloaded")).cache).toBe("hit");
    await replaceConfig(configWith(""));
    await expect.poll(async () => (await ask("reloaded")).cache).toBeNull();
    await replaceConfig(configWith(cacheRules));
    await expect.poll(async () => (await ask("reloaded")).cache).toBe("miss");
  });
});

const anthropicStream: Answer = (request, response) => {
  const event = (type: string, data: object): string => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
  return eventStream([
    event("message_start", { message: { id: "msg", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: 3, output_tokens: 1 } } }),
    event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
    event("content_block_delta", { index: 0, delta: { type: "text_delta", text: `answer ${++count}` } }),
    event("content_block_stop", { index: 0 }),
    event("message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 5 } }),
    event("message_stop", {}),
  ])(request, response);
};

const bigints = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);
