import Anthropic from "@anthropic-ai/sdk";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { QuotaFailureSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Team } from "#gen/weir/policy/v1/team_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const usage = { prompt_tokens: 30, completion_tokens: 20, total_tokens: 50 };
const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage };

let vendor: ScriptedProvider;
let weir: Weir;
let team: Team;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(200, completion));
  weir = await startWeir({
    config: `
providers:
  openai: { vendor: openai, api_key: k, base_url: "${vendor.baseUrl}", models: [m, other, priced] }
prices:
  openai/priced: { input: "0", output: "100", request: "0.01" }
rate_limits:
  - { name: end-users, count: requests, amount: 3, window: day, per: [labels.end_user], where: 'labels.end_user.startsWith("limited-")' }
  - { name: pace, count: spend, amount: 0.05e9, window: day, per: [labels.pace], where: 'labels.pace != ""' }
`,
  });
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name: "limited" });
  team = (await policy.createTeam({ organizationId: organization!.id, name: "limited" })).team!;
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
});

test("OpenAI's client learns what is left, raises RateLimitError at the limit, and learns when to come again", async () => {
  const secret = await limitedKey("openai", { count: "requests", amount: 2n, window: "day" });
  const first = await ask(secret);
  expect(limitHeaders(first.response)).toEqual({ "x-ratelimit-limit-requests": "2", "x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": expect.stringMatching(/^\d+m|^[\d.]+s/) });
  expect((await ask(secret)).response.headers.get("x-ratelimit-remaining-requests")).toBe("0");

  const error = await ask(secret).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(OpenAI.RateLimitError);
  const { headers, code, message } = error as InstanceType<typeof OpenAI.RateLimitError>;
  expect(code).toBe("rate_limit_exceeded");
  expect(message).toContain('The rate limit "openai" is reached: 2 requests per day');
  expect(Number(headers!.get("retry-after"))).toBeGreaterThan(0);
  expect(headers!.get("x-ratelimit-remaining-requests")).toBe("0");
});

test("OpenAI's client obeys the headers: it waits for the next window and gets its answer", async () => {
  const secret = await limitedKey("obeyed", { count: "requests", amount: 1n, window: "second" });
  const replies = await Promise.all([ask(secret, { maxRetries: 5 }), ask(secret, { maxRetries: 5 }), ask(secret, { maxRetries: 5 })]);
  expect(replies.map(({ data }) => data.choices[0]!.message.content)).toEqual(["flow", "flow", "flow"]);
});

test("Anthropic's client learns the same by Anthropic's names", async () => {
  const secret = await limitedKey("anthropic", { count: "requests", amount: 1n, window: "day" });
  const anthropic = new Anthropic({ baseURL: weir.origin, apiKey: secret, maxRetries: 0 });
  const request = { model: "openai/m", messages: [{ role: "user" as const, content: "Hi" }], max_tokens: 9 };
  const { response } = await anthropic.messages.create(request).withResponse();
  expect(limitHeaders(response)).toEqual({
    "anthropic-ratelimit-requests-limit": "1",
    "anthropic-ratelimit-requests-remaining": "0",
    "anthropic-ratelimit-requests-reset": expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
  });
  const error = await anthropic.messages.create(request).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Anthropic.RateLimitError);
  expect((error as InstanceType<typeof Anthropic.RateLimitError>).headers!.get("anthropic-ratelimit-requests-remaining")).toBe("0");
});

test("over gRPC the refusal says which limit, and when to come again", async () => {
  const secret = await limitedKey("grpc", { count: "requests", amount: 1n, window: "day" });
  const inference = createClient(InferenceService, createGrpcTransport({ baseUrl: weir.origin, interceptors: [(next) => (request) => {
    request.header.set("authorization", `Bearer ${secret}`);
    return next(request);
  }] }));
  const request = { generation: { model: "openai/m", messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "Hi" } } }] }] } };
  await inference.generate(request);
  const error = ConnectError.from(await inference.generate(request).catch((thrown: unknown) => thrown));
  expect(error.code).toBe(Code.ResourceExhausted);
  expect(error.findDetails(RetryInfoSchema)[0]!.retryDelay!.seconds).toBeGreaterThanOrEqual(0n);
  expect(error.findDetails(QuotaFailureSchema)[0]!.violations).toMatchObject([{ quotaMetric: "requests", quotaValue: 1n, quotaId: expect.stringMatching(/^rlm_/) as string, subject: expect.stringContaining("organization=") as string }]);
});

test("tokens are estimated before a call and corrected by what the vendor reports, also when the call fails", async () => {
  const secret = await limitedKey("tokens", { count: "tokens", amount: 1_000n, window: "day" });
  const remaining = async (): Promise<string | null> => (await ask(secret, { max_completion_tokens: 200 })).response.headers.get("x-ratelimit-remaining-tokens");
  // While it runs, two hundred and some are counted; after it, fifty.
  expect(Number(await remaining())).toBeLessThan(800);
  vendor.answerWith(json(400, { error: { message: "No.", type: "invalid_request_error" } }));
  await expect(ask(secret, { max_completion_tokens: 900 })).rejects.toMatchObject({ status: 400 });
  vendor.answerWith(json(200, completion));
  expect(Number(await remaining())).toBeGreaterThan(1_000 - 50 - 250);
  await expect(ask(secret, { max_completion_tokens: 950 })).rejects.toBeInstanceOf(OpenAI.RateLimitError);
});

test("spending is estimated before a call and corrected by what it cost", async () => {
  const secret = await limitedKey("spend", { count: "spend", amount: 100_000_000n, window: "day" });
  const asked = (tokens: number) => ask(secret, { model: "openai/priced", max_completion_tokens: tokens });
  // A cent, and a hundredth of one for each token: 0.09 could be spent, and 0.012 are.
  expect((await asked(800)).response.status).toBe(200);
  await expect(asked(800)).rejects.toThrow('The rate limit "spend" is reached: 0.1 US dollars per day');
  expect((await asked(700)).response.status).toBe(200);
  // 0.076 are left; a call that the vendor refuses costs nothing.
  vendor.answerWith(json(400, { error: { message: "No.", type: "invalid_request_error" } }));
  await expect(asked(500)).rejects.toMatchObject({ status: 400 });
  vendor.answerWith(json(200, completion));
  expect((await asked(650)).response.status).toBe(200);
  await expect(asked(600)).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  // What has no price counts as nothing.
  expect((await ask(secret)).response.status).toBe(200);
});

test("a limit on spending in weir.yaml says its amount in billionths of a dollar", async () => {
  const secret = await limitedKey("unlimited", { count: "requests", amount: 1_000n, window: "day" });
  const paced = async (tokens: number): Promise<number> => {
    const reply = await fetch(`${weir.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${secret}`, "content-type": "application/json", "x-weir-labels": "pace=slow" },
      body: JSON.stringify({ model: "openai/priced", max_completion_tokens: tokens, messages: [{ role: "user", content: "Hi" }] }),
    });
    return reply.status;
  };
  // 0.012 each.
  const statuses = [];
  for (let call = 0; call < 5; call++) statuses.push(await paced(20));
  expect(statuses).toEqual([200, 200, 200, 200, 429]);
});

test("calls at one time are bounded, and a place is free again however a call ends", async () => {
  const secret = await limitedKey("concurrent", { count: "concurrent_requests", amount: 1n, window: "" });
  let answer = (): void => undefined;
  vendor.answerWith((request, response) => {
    answer = () => void json(200, completion)(request, response);
  });
  const seen = vendor.requests.length;
  const running = ask(secret);
  await vendor.request(seen);
  await expect(ask(secret)).rejects.toMatchObject({ status: 429, code: "rate_limit_exceeded" });
  answer();
  await running;

  // A caller who goes away frees its place, too.
  const leaving = new AbortController();
  const left = ask(secret, {}, leaving.signal);
  await vendor.request(seen + 1);
  leaving.abort();
  await expect(left).rejects.toThrow();
  vendor.answerWith(json(200, completion));
  await expect.poll(() => ask(secret).then(({ data }) => data.id, () => undefined)).toBe("chatcmpl-1");
});

test("a limit of the configuration file counts by label, and only what its condition says", async () => {
  const as = (endUser: string) => ask(weir.inferenceKey, {}, undefined, { "x-weir-labels": `end_user=${endUser}` });
  for (let index = 0; index < 3; index++) await as("limited-ada");
  await expect(as("limited-ada")).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  await as("limited-bob");
  for (let index = 0; index < 4; index++) await as("free");
});

test("a changed amount is in force within a second, and what was counted stays counted", async () => {
  const secret = await limitedKey("changed", { count: "requests", amount: 1n, window: "day" });
  await ask(secret);
  await expect(ask(secret)).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  const policy = weir.client(PolicyService);
  const { rateLimits } = await policy.listRateLimits({});
  const { id } = rateLimits.find(({ rule }) => rule!.name === "changed")!;
  await policy.updateRateLimit({ rateLimitId: id, amount: 2n, updateMask: { paths: ["amount"] } });
  await expect.poll(() => ask(secret).then(() => true, () => false)).toBe(true);
  await expect(ask(secret)).rejects.toBeInstanceOf(OpenAI.RateLimitError);
  await policy.deleteRateLimit({ rateLimitId: id });
  await expect.poll(() => ask(secret).then(() => true, () => false)).toBe(true);
});

interface Limited {
  readonly count: string;
  readonly amount: bigint;
  readonly window: string;
}

/** A new key with this limit on it, once the limit is in force. */
async function limitedKey(name: string, limited: Limited): Promise<string> {
  const policy = weir.client(PolicyService);
  // A busy machine is no matter of rate limits: hence STALE_OK.
  const { key, secret } = await policy.createKey({ teamId: team.id, name, consistency: Consistency.STALE_OK });
  await policy.createRateLimit({ rule: { name, organizationId: team.organizationId, teamId: team.id, keyId: key!.id, ...limited } });
  // A probe of the same kind comes into force after it, and shows that it is.
  const probe = await policy.createKey({ teamId: team.id, name: `${name}-probe`, consistency: Consistency.STALE_OK });
  await policy.createRateLimit({ rule: { name: `${name}-probe`, organizationId: team.organizationId, keyId: probe.key!.id, count: "requests", amount: 1_000n, window: "day" } });
  await expect.poll(async () => (await ask(probe.secret)).response.headers.get("x-ratelimit-limit-requests")).toBe("1000");
  return secret;
}

function ask(secret: string, { maxRetries = 0, ...fields }: { maxRetries?: number; model?: string; max_completion_tokens?: number } = {}, signal?: AbortSignal, headers: Record<string, string> = {}) {
  const openai = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: secret, maxRetries });
  return openai.chat.completions.create({ model: "openai/m", messages: [{ role: "user", content: "Hi" }], ...fields }, { signal, headers }).withResponse();
}

function limitHeaders(response: Response): Record<string, string> {
  return Object.fromEntries([...response.headers].filter(([name]) => name.includes("ratelimit")));
}
