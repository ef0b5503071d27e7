/** Proves that budgets hold, whoever calls how often at once, and that what is left of them can be used up. */
import Anthropic, { RateLimitError as AnthropicRateLimitError } from "@anthropic-ai/sdk";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import OpenAI, { RateLimitError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ErrorInfoSchema, QuotaFailureSchema } from "#gen/google/rpc/error_details_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { BudgetPeriod, BudgetShortage, type Budget, type CreateBudgetRequestSchema } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

/** What a call of `near/fee` costs, whatever it says. */
const feeNanos = 20_000_000n;
/** Of `near/words`: a dollar for a million tokens in, ten for a million out. */
const nanosPerOutputToken = 10_000n;

let upstream: ScriptedProvider;
let weir: Weir;
let teamId: string;
let organizationId: string;

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, completionOf(10)));
  weir = await startWeir({
    config: `
providers:
  near: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [fee, words, unknown, tiered] }
  home: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [fee], responses_api: true }
  claude: { vendor: anthropic, api_key: k, base_url: "${upstream.baseUrl}", models: [claude-opus-5] }
models: { openai/fee: { max_output_tokens: 1000 }, openai/unknown: { max_output_tokens: 1000 } }
prices:
  openai/fee: { input: "0", output: "0", request: "0.02" }
  openai/words: { input: "1", output: "10" }
  openai/tiered: { input: "1", output: "10", service_tiers: ["", default] }
`,
  });
  const { teams } = await weir.client(PolicyService).listTeams({});
  ({ id: teamId, organizationId } = teams[0]!);
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

describe("a budget for exactly 50 calls", () => {
  test("admits exactly 50 of 200 that come at once, and its counters are the ledger's", async () => {
    const { secret, budget } = await keyWithBudget({ limitNanos: 50n * feeNanos });
    const before = upstream.requests.length;
    const replies = await Promise.all(Array.from({ length: 200 }, () => ask(secret, { model: "near/fee" })));
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(50);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(150);
    expect(upstream.requests.length - before).toBe(50);
    await expect.poll(() => usageOf(budget)).toMatchObject({ postedNanos: 50n * feeNanos, headroomNanos: 0n });
    expect((await ask(secret, { model: "near/fee" })).status).toBe(429);
  });

  test("counts no call that the vendor refused", async () => {
    const { secret, budget } = await keyWithBudget({ limitNanos: 2n * feeNanos });
    upstream.answerWith(json(400, { error: { message: "no" } }));
    for (let call = 0; call < 5; call++) expect((await ask(secret, { model: "near/fee" })).status).toBe(400);
    upstream.answerWith(json(200, completionOf(10)));
    expect((await ask(secret, { model: "near/fee" })).status).toBe(200);
    await expect.poll(() => usageOf(budget)).toMatchObject({ postedNanos: feeNanos });
  });
});

describe("a call for which a budget has too little left", () => {
  test("is refused once, in the words of each dialect's official client and of gRPC", async () => {
    const { secret } = await keyWithBudget({ limitNanos: 1n });
    let requests = 0;
    const counted: typeof fetch = (...input) => {
      requests++;
      return fetch(...input);
    };
    const openai = new OpenAI({ apiKey: secret, baseURL: `${weir.origin}/v1`, fetch: counted });
    const byOpenai = await openai.chat.completions.create({ model: "near/fee", messages: [{ role: "user", content: "Hi" }] }).catch((error: unknown) => error);
    expect(byOpenai).toBeInstanceOf(RateLimitError);
    expect(byOpenai).toMatchObject({ status: 429, code: "insufficient_quota", type: "insufficient_quota" });
    const anthropic = new Anthropic({ apiKey: secret, baseURL: weir.origin, fetch: counted });
    const byAnthropic = await anthropic.messages.create({ model: "near/fee", max_tokens: 5, messages: [{ role: "user", content: "Hi" }] }).catch((error: unknown) => error);
    expect(byAnthropic).toBeInstanceOf(AnthropicRateLimitError);
    expect(requests).toBe(2);
    const generation = { model: "near/fee", maxOutputTokens: 5n, messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "Hi" } } }] }] };
    const byRpc = await weir.client(InferenceService, secret).generate({ generation }).then(() => expect.unreachable(), (error: unknown) => ConnectError.from(error));
    expect(byRpc.code).toBe(Code.ResourceExhausted);
    expect(byRpc.findDetails(ErrorInfoSchema)[0]).toMatchObject({ reason: "BUDGET_EXCEEDED" });
    expect(byRpc.findDetails(QuotaFailureSchema)[0]!.violations).toMatchObject([{ quotaMetric: "cost_nanos", quotaId: expect.stringMatching(/^bud_/) as string, quotaValue: 1n }]);
  });

  test("is clamped where the budget says so: fewer tokens are asked for, and the caller is told", async () => {
    const { secret } = await keyWithBudget({ limitNanos: 100_000_000n, shortage: BudgetShortage.CLAMP });
    const before = upstream.requests.length;
    const reply = await ask(secret, { model: "near/words", max_tokens: 1_000_000 });
    expect(reply.status).toBe(200);
    const sent = JSON.parse(upstream.requests[before]!.body.toString()) as { max_tokens: number };
    expect(sent.max_tokens).toBeLessThan(10_000);
    expect(sent.max_tokens).toBeGreaterThanOrEqual(256);
    expect(reply.headers.get("x-weir-warnings")).toMatch(new RegExp(`max_output_tokens: ${sent.max_tokens} instead of 1000000, because no more is left of the budget ".+"`));
  });

  test("waits where the budget says so: 30 agents with large bounds use up what is there", async () => {
    const perCall = 10n * nanosPerOutputToken + 1_000n;
    const { secret, budget } = await keyWithBudget({ limitNanos: 60_000n * nanosPerOutputToken, shortage: BudgetShortage.WAIT });
    const replies = await Promise.all(Array.from({ length: 30 }, () => ask(secret, { model: "near/words", max_tokens: 50_000 })));
    expect(replies.map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 200));
    await expect.poll(() => usageOf(budget)).toMatchObject({ postedNanos: 30n * perCall });
  });
});

describe("a key that a budget applies to", () => {
  test("cannot call a model without a price, or without a bound, and hears what to do", async () => {
    const { secret } = await keyWithBudget({ limitNanos: 1_000_000_000_000n });
    const unpriced = await ask(secret, { model: "near/unknown" });
    expect(unpriced.status).toBe(400);
    expect(unpriced.headers.get("x-weir-reason")).toBe("UNPRICED_MODEL");
    const unbounded = await ask(secret, { model: "near/words", max_tokens: undefined });
    expect(unbounded.status).toBe(400);
    expect(await unbounded.text()).toMatch(/max_output_tokens.*openai\/words/);
    const searching = await ask(secret, { model: "near/words", web_search_options: {} });
    expect(searching.headers.get("x-weir-reason")).toBe("UNBOUNDED_COST");
  });

  test("cannot ask for a service tier, or for Anthropic's fast mode, of which nobody knows the price", async () => {
    const { secret } = await keyWithBudget({ limitNanos: 1_000_000_000_000n });
    const askFor = async (serviceTier: string) => (await ask(secret, { model: "near/tiered", service_tier: serviceTier })).headers.get("x-weir-reason");
    expect([await askFor("auto"), await askFor("priority")]).toEqual([null, "UNPRICED_MODEL"]);
    const fast = await fetch(`${weir.origin}/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": secret, "content-type": "application/json", "anthropic-version": "2023-06-01" },
      body: JSON.stringify({ model: "claude/claude-opus-5", max_tokens: 100, speed: "fast", messages: [{ role: "user", content: "Hello" }] }),
    });
    expect([fast.status, await fast.text()]).toEqual([400, expect.stringContaining('no price for the service tier \\"fast\\"')]);
  });

  test("is billed by OpenAI at the usual price where it names no service tier, whatever the project's settings say", async () => {
    const { secret } = await keyWithBudget({ limitNanos: 1_000_000_000_000n });
    const tierSent = async (key: string, path: string, body: object): Promise<unknown> => {
      const before = upstream.requests.length;
      await fetch(`${weir.origin}${path}`, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify({ model: "home/fee", ...body }) });
      return (JSON.parse(upstream.requests[before]!.body.toString()) as { service_tier?: string }).service_tier;
    };
    const messages = [{ role: "user", content: "Hi" }];
    const chat = (more: object, key = secret) => tierSent(key, "/v1/chat/completions", { messages, ...more });
    expect([await chat({}), await chat({ service_tier: "auto" }), await chat({ service_tier: null }), await chat({ service_tier: "flex" })]).toEqual(["default", "default", "default", "flex"]);
    expect(await tierSent(secret, "/v1/responses", { input: "Hi" })).toBe("default");
    expect(await tierSent(secret, "/v1/messages", { messages, max_tokens: 5 })).toBe("default");
    expect([await chat({}, weir.inferenceKey), await chat({ service_tier: "auto" }, weir.inferenceKey)]).toEqual([undefined, "auto"]);
  });

  test.each([
    { case: "a negative number of replies", body: { n: -5 } },
    { case: "no reply", body: { n: 0 } },
    { case: "a negative output maximum", body: { max_tokens: -1_000_000 } },
    { case: "no output", body: { max_tokens: 0 } },
    { case: "more output than numbers hold", body: { max_tokens: Number.MAX_SAFE_INTEGER, n: 2 ** 31 - 1 } },
  ])("gains nothing by asking for $case, and nobody else's call fails of it", async ({ body }) => {
    const { secret, budget } = await keyWithBudget({ limitNanos: 2n * (100n * nanosPerOutputToken + 1_000_000n) });
    const ordinary = { model: "near/words" };
    expect((await ask(secret, ordinary)).status).toBe(200);
    const before = upstream.requests.length;
    const [odd, even] = await Promise.all([ask(secret, { ...ordinary, max_tokens: 1_000_000, ...body }), ask(secret, ordinary)]);
    expect([400, 429]).toContain(odd.status);
    expect(even.status).toBe(200);
    expect(upstream.requests.length - before).toBe(1);
    const large = await ask(secret, { ...ordinary, max_tokens: 1_000 });
    expect(large.status).toBe(429);
    await expect.poll(() => usageOf(budget)).toMatchObject({ postedNanos: 2n * (10n * nanosPerOutputToken + 1_000n) });
  });

  test("is refused for labels that budgets cannot hold, and nobody else's call fails of it", async () => {
    const { secret } = await keyWithBudget({ limitNanos: 1_000_000_000n });
    const generation = { model: "near/words", maxOutputTokens: 5n, labels: { user: "a\0b" }, messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "Hi" } } }] }] };
    const byRpc = weir.client(InferenceService, secret).generate({ generation }).then(() => expect.unreachable(), (error: unknown) => ConnectError.from(error).code);
    const byHttp = ask(secret, { model: "near/words" }, undefined, { "x-weir-labels": `user=${"é".repeat(200)}` });
    const other = ask(secret, { model: "near/words" });
    expect(await byRpc).toBe(Code.InvalidArgument);
    expect((await byHttp).status).toBe(400);
    expect((await other).status).toBe(200);
  });

  test("leaves another key of its organization alone, though that calls a model without a price", async () => {
    const { secret } = await keyWithBudget({ limitNanos: 0n });
    expect((await ask(secret, { model: "near/fee" })).status).toBe(429);
    expect((await ask(weir.inferenceKey, { model: "near/unknown" })).status).toBe(200);
  });

  test("whose caller leaves in the middle of a stream pays what the ledger says, and nothing stays held of it", async () => {
    const { secret, budget } = await keyWithBudget({ limitNanos: 1_000_000_000n });
    upstream.answerWith((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "words", choices: [{ index: 0, delta: { role: "assistant", content: "Hello" } }] })}\n\n`);
    });
    const leaving = new AbortController();
    const reply = await ask(secret, { model: "near/words", stream: true }, leaving.signal);
    await reply.body!.getReader().read();
    leaving.abort();
    upstream.answerWith(json(200, completionOf(10)));
    await expect.poll(async () => (await usageOf(budget)).postedNanos > 0n).toBe(true);
    expect((await usageOf(budget)).postedNanos).toBeLessThan(1_000_000n);
    const check = await weir.client(PolicyService).checkBudgets({});
    expect(check).toMatchObject({ differences: [], leaseDifferences: [] });
    expect(check.checkedLeases).toBeGreaterThan(0n);
  });
});

async function keyWithBudget(init: MessageInitShape<typeof CreateBudgetRequestSchema>): Promise<{ secret: string; budget: Budget }> {
  const policy = weir.client(PolicyService);
  const spender = `spender ${spenders++}`;
  // Before the key, so that it holds for the key's first call. A busy machine is no matter of budgets: hence STALE_OK.
  const { budget } = await policy.createBudget({ organizationId, name: spender, subject: { labelName: "spender", labelValue: spender }, period: BudgetPeriod.TOTAL, ...init } as MessageInitShape<typeof CreateBudgetRequestSchema>);
  const { secret } = await policy.createKey({ teamId, name: spender, labels: { spender }, consistency: Consistency.STALE_OK });
  return { secret, budget: budget! };
}

let spenders = 0;

async function usageOf({ id }: Budget): Promise<NonNullable<Budget["usage"]>> {
  const { budgets: all } = await weir.client(PolicyService).listBudgets({ pageSize: 1_000 });
  return all.find((budget) => budget.id === id)!.usage!;
}

function ask(key: string, body: object, signal?: AbortSignal, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${weir.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ max_tokens: 100, messages: [{ role: "user", content: "Hi" }], ...body }),
    ...(signal === undefined ? {} : { signal }),
  });
}

function completionOf(tokens: number): object {
  return { id: "c1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: tokens, total_tokens: 1 + tokens } };
}
