/** Proves that a request is one trace through all services, in its caller's where that has one, with what a person asks of it and nothing of what was said. */
import { randomBytes } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { createGrpcStub } from "../harness/grpc-client.ts";
import { eventStream, json, startScriptedProvider, type ScriptedProvider, type UpstreamRequest } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";
import { startTraceCollector, type CollectedSpan, type TraceCollector } from "../harness/trace-collector.ts";

const collectorKey = "canary-collector-key-3f02d1";
const vendorKey = "canary-vendor-key-9ac411";
const prompt = "canary-prompt-77e0b2";
const answered = "canary-reply-19cd05";

let upstream: ScriptedProvider;
let collector: TraceCollector;
let weir: Weir;
let seen = 0;

const usage = { prompt_tokens: 7, completion_tokens: 5, total_tokens: 12, prompt_tokens_details: { cached_tokens: 3 } };
const chunk = (choices: unknown, more: object = {}): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m-2026", choices, ...more })}\n\n`;

function answer(request: UpstreamRequest, response: Parameters<ReturnType<typeof json>>[1]): void | Promise<void> {
  const { model, stream } = JSON.parse(request.body.toString()) as { model: string; stream?: boolean };
  if (model === "down") return json(500, { error: { message: `broken: ${request.body.toString()}` } })(request, response);
  if (request.path.endsWith("/moderations")) return json(200, { id: "m", model, results: [{ flagged: false, categories: { hate: false }, category_scores: { hate: 0.1 } }] })(request, response);
  if (request.path.endsWith("/embeddings")) return json(200, { object: "list", model: "e", data: [{ object: "embedding", index: 0, embedding: [1] }], usage: { prompt_tokens: 4, total_tokens: 4 } })(request, response);
  if (stream === true) return eventStream([chunk([{ index: 0, delta: { role: "assistant", content: answered }, finish_reason: null }]), chunk([{ index: 0, delta: {}, finish_reason: "stop" }], { usage }), "data: [DONE]\n\n"])(request, response);
  return json(200, { id: "c", object: "chat.completion", created: 1, model: "m-2026", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: answered } }], usage })(request, response);
}

beforeAll(async () => {
  [upstream, collector] = await Promise.all([startScriptedProvider(answer), startTraceCollector()]);
  weir = await startWeir({
    config: `
providers:
  up: { vendor: openai, api_key: ${vendorKey}, base_url: "${upstream.baseUrl}", models: [m, e, down] }
routes:
  falling: { targets: [up/down, up/m] }
  decent: { targets: [up/m] }
guardrails: [{ name: decency, models: [decent], moderation: { model: up/mod }, mode: block, sides: [input] }]
models: { openai/m: { max_output_tokens: 100 } }
prices: { openai/m: { input: "1", output: "10" } }
cache: { rules: [{ models: [up/e], lifetime: 60s }] }
tracing: { endpoint: "${collector.endpoint}", headers: { x-collector-key: ${collectorKey} } }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([upstream?.stop(), collector?.stop()]);
});
beforeEach(() => {
  seen = collector.spans.length;
  collector.answerWith(200);
});

interface Asked {
  readonly path?: string;
  readonly body?: object;
  readonly key?: string;
  readonly headers?: Record<string, string>;
}

async function ask({ path = "/v1/chat/completions", body = {}, key = weir.inferenceKey, headers = {} }: Asked = {}): Promise<Response> {
  const response = await fetch(weir.origin + path, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "up/m", messages: [{ role: "user", content: prompt }], ...body }),
  });
  await response.clone().text();
  return response;
}

/** The new spans, once there is the one of the request and so many in all; each service sends its own. */
async function spansOf(requestId: string | null, atLeast: number): Promise<CollectedSpan[]> {
  let spans: CollectedSpan[] = [];
  await expect.poll(() => {
    const server = requestOf(collector.spans, requestId);
    spans = collector.spans.filter(({ traceId }) => traceId === server?.traceId);
    return spans.length;
  }).toBeGreaterThanOrEqual(atLeast);
  return spans;
}

function requestOf(spans: readonly CollectedSpan[], requestId: string | null): CollectedSpan | undefined {
  return spans.find(({ kind, service, attributes }) => kind === 2 && service === "weir-routing" && attributes["weir.request_id"] === requestId);
}

const idOf = (response: Response): string | null => response.headers.get("x-request-id");

describe("a request is one trace", () => {
  test("with the request in routing and the attempt in providers, and who called what for how much", async () => {
    const response = await ask();
    expect(response.status).toBe(200);
    const spans = await spansOf(idOf(response), 2);
    const request = requestOf(spans, idOf(response))!;
    const [line] = await weir.attempts(1, { requestId: idOf(response)! });
    expect(spans).toHaveLength(2);
    expect(request).toMatchObject({
      name: "chat up/m",
      parentSpanId: "",
      isError: false,
      attributes: { "gen_ai.operation.name": "chat", "gen_ai.request.model": "up/m", "weir.door": "http", "weir.target": "up/m", "weir.organization_id": expect.stringMatching(/^org_/), "weir.team_id": expect.stringMatching(/^team_/), "weir.key_id": expect.stringMatching(/^key_/) },
    });
    expect(spans.find(({ service }) => service === "weir-providers")).toMatchObject({
      name: "chat m",
      kind: 3,
      parentSpanId: request.spanId,
      isError: false,
      events: [{ name: "weir.first_byte" }],
      attributes: {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-2026",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 5,
        "http.response.status_code": 200,
        "server.address": "127.0.0.1",
        "weir.attempt_id": line!.event!.intent!.attemptId,
        "weir.provider": "up",
        "weir.request_id": idOf(response),
      },
    });
  });

  test("also streamed, and the log has its id", async () => {
    const response = await ask({ body: { stream: true } });
    const [{ traceId }] = (await spansOf(idOf(response), 2)) as [CollectedSpan];
    await expect.poll(() => weir.log().find(({ msg, requestId }) => msg === "request" && requestId === idOf(response))).toMatchObject({ traceId });
  });

  test("that goes on the caller's, over HTTP", async () => {
    const [traceId, spanId] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
    const response = await ask({ headers: { traceparent: `00-${traceId}-${spanId}-01`, tracestate: "other=1" } });
    const spans = await spansOf(idOf(response), 2);
    expect(spans.map((span) => [span.traceId, span.traceState])).toEqual([[traceId, "other=1"], [traceId, "other=1"]]);
    expect(requestOf(spans, idOf(response))).toMatchObject({ parentSpanId: spanId });
    // Vendors hear nothing of it.
    expect(upstream.requests.at(-1)!.headers).not.toHaveProperty("traceparent");
  });

  test("that goes on the caller's, over gRPC", async () => {
    const [traceId, spanId] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
    const stub = createGrpcStub(InferenceService, weir.authority);
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${weir.inferenceKey}`);
    metadata.set("traceparent", `00-${traceId}-${spanId}-01`);
    try {
      const { requestId } = await stub.generate({ generation: { model: "up/m", messages: [{ role: Role.USER, parts: [{ kind: { case: "text", value: { text: prompt } } }] }] } }, metadata);
      const spans = await spansOf(requestId, 2);
      expect(requestOf(spans, requestId)).toMatchObject({ traceId, parentSpanId: spanId, name: "chat up/m", attributes: { "weir.door": "rpc", "weir.target": "up/m" } });
    } finally {
      stub.close();
    }
  });

  test("unless the caller does not record its own", async () => {
    const traceId = randomBytes(16).toString("hex");
    await ask({ headers: { traceparent: `00-${traceId}-${randomBytes(8).toString("hex")}-00` } });
    await spansOf(idOf(await ask()), 2);
    expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
  });

  test("of its own where the caller's is none", async () => {
    const response = await ask({ headers: { traceparent: `00-${prompt}` } });
    expect(requestOf(await spansOf(idOf(response), 2), idOf(response))).toMatchObject({ parentSpanId: "" });
  });
});

describe("what happened on the way is seen", () => {
  test("a fall-back: an attempt beside the other, with the reason of the first", async () => {
    const response = await ask({ body: { model: "falling" } });
    expect(response.status).toBe(200);
    const spans = await spansOf(idOf(response), 3);
    const request = requestOf(spans, idOf(response))!;
    expect(request).toMatchObject({ name: "chat falling", isError: false, attributes: { "weir.route": "falling", "weir.target": "up/m" }, events: [{ name: "weir.target_failed", attributes: { "weir.target": "up/down", "error.type": "UPSTREAM_UNAVAILABLE" } }] });
    const attempts = spans.filter(({ kind }) => kind === 3);
    expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual([request.spanId, request.spanId]);
    expect(attempts.map(({ name, isError, attributes }) => [name, isError, attributes["error.type"], attributes["http.response.status_code"]])).toEqual([["chat down", true, "UPSTREAM_UNAVAILABLE", 500], ["chat m", false, undefined, 200]]);
  });

  test("a hit of the cache, which asks no vendor", async () => {
    const body = { model: "up/e", input: prompt, messages: undefined };
    const miss = await ask({ path: "/v1/embeddings", body });
    const hit = await ask({ path: "/v1/embeddings", body });
    const spans = [...(await spansOf(idOf(miss), 2)), ...(await spansOf(idOf(hit), 1))];
    expect(requestOf(spans, idOf(miss))).toMatchObject({ name: "embeddings up/e", attributes: { "weir.cache": "miss" } });
    expect(requestOf(spans, idOf(hit))!.attributes["weir.cache"]).toBe("hit");
    expect(spans).toHaveLength(3);
  });

  test("the wait for a budget, in policy too", async () => {
    const policy = weir.client(PolicyService);
    const { organizationId } = (await policy.listTeams({})).teams[0]!;
    const { team } = await policy.createTeam({ organizationId, name: "budgeted" });
    // Before the key, so that it holds for the key's first call.
    await policy.createBudget({ organizationId, name: "traced", subject: { teamId: team!.id }, limitNanos: 1_000_000_000n, period: BudgetPeriod.TOTAL });
    const { secret } = await policy.createKey({ teamId: team!.id, name: "budgeted", consistency: Consistency.STALE_OK });
    const response = await ask({ key: secret });
    expect(response.status).toBe(200);
    const names = async (): Promise<string[]> => (await spansOf(idOf(response), 2)).map(({ service, name }) => `${service} ${name}`);
    await expect.poll(names, { timeout: 10_000 }).toEqual(expect.arrayContaining(["weir-routing wait for budgets", "weir-policy weir.policy.v1.PolicyService/AcquireLease"]));
  });

  test("a guardrail that asks others, with its own attempt", async () => {
    const response = await ask({ body: { model: "decent" } });
    expect(response.status).toBe(200);
    const spans = await spansOf(idOf(response), 4);
    const guardrail = spans.find(({ name }) => name === "guardrail decency")!;
    expect(guardrail).toMatchObject({ parentSpanId: requestOf(spans, idOf(response))!.spanId, attributes: { "weir.guardrail.check": "moderation", "weir.guardrail.verdict": "allow", "weir.target": "up/mod" } });
    expect(spans.find(({ name }) => name === "moderate mod")).toMatchObject({ service: "weir-providers", parentSpanId: guardrail.spanId });
  });

  test("a caller that goes away, in the midst of its reply", async () => {
    upstream.answerWith((_request, response) => void response.writeHead(200, { "content-type": "text/event-stream" }).write(chunk([{ index: 0, delta: { content: answered }, finish_reason: null }])));
    const leaving = new AbortController();
    const response = await fetch(`${weir.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${weir.inferenceKey}` },
      body: JSON.stringify({ model: "up/m", stream: true, messages: [{ role: "user", content: prompt }] }),
      signal: leaving.signal,
    });
    leaving.abort();
    upstream.answerWith(answer);
    const spans = await spansOf(idOf(response), 2);
    expect(spans.map(({ isError, attributes }) => [isError, attributes["error.type"]])).toEqual([[true, "CANCELLED"], [true, "CANCELLED"]]);
  });

  test("a refusal, by its reason", async () => {
    const response = await ask({ key: `weir_${"0".repeat(40)}` });
    expect(response.status).toBe(401);
    const [request] = await spansOf(idOf(response), 1);
    expect(request).toMatchObject({ isError: true, attributes: { "error.type": "KEY_INVALID" } });
  });

  test("what is for no model is in no trace", async () => {
    await fetch(`${weir.origin}/v1/models`, { headers: { authorization: `Bearer ${weir.inferenceKey}` } });
    await weir.client(PolicyService).listTeams({});
    await spansOf(idOf(await ask()), 2);
    expect(collector.spans.slice(seen).filter(({ kind }) => kind === 2)).toHaveLength(1);
  });
});

test("nothing of what was said, and no credential, is in any span", () => {
  expect(upstream.requests.length).toBeGreaterThan(5);
  const came = Buffer.concat(collector.requests.map(({ body }) => body)).toString("latin1");
  expect(collector.requests.every(({ headers }) => headers["x-collector-key"] === collectorKey)).toBe(true);
  expect(came).toContain("weir-providers");
  for (const secret of [prompt, answered, vendorKey, collectorKey, weir.inferenceKey, weir.adminKey]) expect(came).not.toContain(secret);
});

/** Over all processes. */
async function counted(outcome: string): Promise<number> {
  const texts = await Promise.all(weir.processes.map(async ({ adminOrigin }) => (await fetch(`${adminOrigin}/metrics`)).text()));
  return texts.reduce((sum, text) => sum + Number(new RegExp(`^weir_trace_spans_total\\{outcome="${outcome}"\\} (\\d+)`, "m").exec(text)?.[1] ?? 0), 0);
}

test("while the collector is away requests go on, and what is lost is counted and said once", async () => {
  expect(await counted("exported")).toBeGreaterThan(20);
  collector.answerWith(503);
  expect((await ask()).status).toBe(200);
  await expect.poll(() => counted("failed")).toBeGreaterThanOrEqual(2);
  expect((await ask()).status).toBe(200);
  await expect.poll(() => counted("failed")).toBeGreaterThanOrEqual(4);
  collector.answerWith(200);
  await spansOf(idOf(await ask()), 2);
  const said = weir.log().filter(({ msg }) => String(msg).startsWith("the collector of traces does not"));
  // Each process that has spans says it for itself.
  expect(said).toHaveLength(weir.processes.length === 1 ? 1 : 2);
});

test("without `tracing` in the changed file none are made; a stop sends what waits", async () => {
  const { tracing, ...rest } = parse(await readFile(weir.configPath, "utf8")) as { tracing: object };
  await replaceConfig(rest);
  await expect.poll(async () => {
    const before = collector.requests.length;
    const response = await ask();
    await expect.poll(() => weir.log().find(({ msg, requestId }) => msg === "request" && requestId === idOf(response))).toBeDefined();
    return weir.log().some(({ msg, requestId, traceId }) => msg === "request" && requestId === idOf(response) && traceId === undefined) && before === collector.requests.length;
  }).toBe(true);
  await replaceConfig({ ...rest, tracing });
  await expect.poll(async () => {
    const response = await ask();
    await expect.poll(() => weir.log().find(({ msg, requestId }) => msg === "request" && requestId === idOf(response))).toBeDefined();
    return weir.log().some(({ requestId, traceId }) => requestId === idOf(response) && traceId !== undefined);
  }).toBe(true);
  const response = await ask();
  await weir.stop();
  expect(requestOf(collector.spans, idOf(response))).toBeDefined();
});

async function replaceConfig(config: object): Promise<void> {
  await writeFile(`${weir.configPath}.new`, stringify(config));
  await rename(`${weir.configPath}.new`, weir.configPath);
}
