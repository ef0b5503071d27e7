/** Proves that a route's retries ask the same target again after failures that may pass: each as an attempt of its own, never beyond what the caller waits for. */
import { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { fromConnectError } from "#platform/errors.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 10, total_tokens: 11 } };
const chunk = { ...completion, object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "flow" }, finish_reason: "stop" }] };
const succeed: Answer = (request, response) => {
  if (!String(request.body).includes('"stream":true')) return json(200, completion)(request, response);
  response.writeHead(200, { "content-type": "text/event-stream" }).end(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
};
const limited = (waitMs: number): Answer => json(429, { error: { message: "slow down" } }, { "retry-after-ms": String(waitMs) });
const overloaded = json(503, { error: { message: "overloaded" } }, { "retry-after-ms": "20" });

let first: ScriptedProvider;
let second: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  [first, second] = await Promise.all([startScriptedProvider(succeed), startScriptedProvider(succeed)]);
  weir = await startWeir({
    config: `
providers:
  first: { vendor: openai, api_key: k, base_url: "${first.baseUrl}", models: [m] }
  second: { vendor: openai, api_key: k, base_url: "${second.baseUrl}", models: [m] }
routes:
  alone: { targets: [first/m], retries: 2 }
  both: { targets: [first/m, second/m], retries: 2 }
  never: { targets: [first/m, second/m] }
  hedged: { targets: [first/m, second/m], retries: 2, hedge_after: 0.05s }
models: { openai/m: { max_output_tokens: 100 } }
prices: { openai/m: { input: "1", output: "10" } }
breaker: { minimum_calls: 1000 }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([first?.stop(), second?.stop()]);
});
beforeEach(() => {
  first.answerWith(succeed);
  second.answerWith(succeed);
});

/** One answer after the other, the last from then on; what is returned says how many were asked for. */
function answerFirstWith(...answers: readonly Answer[]): () => number {
  const place = first.requests.length;
  first.answerWith((request, response) => answers[Math.min(first.requests.length - place, answers.length) - 1]!(request, response));
  return () => first.requests.length - place;
}

function ask(model: string, { stream = false, signal = new AbortController().signal, key = weir.inferenceKey } = {}): Promise<Response> {
  const body = { model, max_completion_tokens: 50, stream, messages: [{ role: "user", content: "Hi" }] };
  return fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: JSON.stringify(body), signal });
}

async function linesOf(response: Response, count: number): Promise<readonly unknown[]> {
  const attempts = await weir.attempts(count, { requestId: response.headers.get("x-request-id")! });
  return attempts.map(({ event, costNanos }) => [event!.intent!.provider, event!.outcome!.result, (costNanos ?? 0n) > 0n]).toReversed();
}

async function metrics(): Promise<string> {
  return (await Promise.all(weir.processes.map(async ({ adminOrigin }) => (await fetch(`${adminOrigin}/metrics`)).text()))).join("\n");
}

test.each([
  ["a whole reply", false],
  ["a stream", true],
])("%s comes from the target that was too busy at first: two lines in the ledger, one of them charged", async (_, stream) => {
  const asked = answerFirstWith(limited(20), succeed);
  const response = await ask("both", { stream });
  expect([response.status, response.headers.get("x-weir-target")]).toEqual([200, "first/m"]);
  expect(await response.text()).toContain("flow");
  expect(asked()).toBe(2);
  expect(await linesOf(response, 2)).toEqual([["first", AttemptResult.FAILED, false], ["first", AttemptResult.SUCCEEDED, true]]);
});

test("an error that comes with the status of success is one: the target is asked again", async () => {
  const asked = answerFirstWith(json(200, { error: { message: "Rate limit exceeded", code: 429 } }), succeed);
  const response = await ask("alone");
  expect([response.status, asked()]).toEqual([200, 2]);
  // By the status, the vendor may bill the first one too: it has its estimate.
  expect(await linesOf(response, 2)).toEqual([["first", AttemptResult.FAILED, true], ["first", AttemptResult.SUCCEEDED, true]]);
});

test("when all retries are used, the next target is asked, and what was done is counted", async () => {
  const asked = answerFirstWith(overloaded);
  const response = await ask("both");
  expect([response.status, response.headers.get("x-weir-target")]).toEqual([200, "second/m"]);
  expect(asked()).toBe(3);
  expect(await linesOf(response, 4)).toHaveLength(4);
  expect(await metrics()).toMatch(/weir_retries_total\{provider="first",reason="UPSTREAM_UNAVAILABLE"\} 2\n/);
});

test("without a wait from the vendor, it comes again after a moment of Weir's own", async () => {
  const asked = answerFirstWith(json(500, {}), succeed);
  expect((await ask("alone")).headers.get("x-weir-target")).toBe("first/m");
  expect(asked()).toBe(2);
});

test.each<readonly [string, string, Answer, number]>([
  ["a route without retries", "never", overloaded, 1],
  ["a refusal of the request", "alone", json(400, { error: { message: "no" } }), 1],
  ["an account that is used up", "both", json(429, { error: { message: "pay", code: "insufficient_quota" } }), 1],
  ["a vendor that asks for a long wait", "both", limited(60_000), 1],
])("%s is not asked again", async (_, model, answer, times) => {
  const asked = answerFirstWith(answer, succeed);
  const response = await ask(model);
  expect(response.headers.get("x-weir-target")).not.toBe("first/m");
  expect(asked()).toBe(times);
});

test("a wait that the caller's deadline does not leave is not begun: what the vendor said is told at once", async () => {
  const asked = answerFirstWith(limited(9_000), succeed);
  const generation = { model: "alone", messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "Hi" } } }] }] };
  const error = await weir.client(InferenceService, weir.inferenceKey).generate({ generation }, { timeoutMs: 8_000 }).then(() => undefined, (thrown: unknown) => fromConnectError(ConnectError.from(thrown)));
  expect(error).toMatchObject({ reason: "UPSTREAM_RATE_LIMITED", retryAfterMs: 9_000 });
  expect(asked()).toBe(1);
});

test("a caller that goes away ends the wait", async () => {
  const asked = answerFirstWith(limited(9_000), succeed);
  const caller = new AbortController();
  const place = first.requests.length;
  const cancelled = async (): Promise<string> => /weir_requests_total\{[^}]*outcome="CANCELLED"\} (\d+)/.exec(await metrics())?.[1] ?? "0";
  const failed = async (): Promise<number> => Number(/weir_failed_attempts_total\{provider="first"\} (\d+)/.exec(await metrics())?.[1] ?? 0);
  expect(await cancelled()).toBe("0");
  const failedBefore = await failed();
  const asking = ask("alone", { signal: caller.signal });
  await first.request(place);
  // From then on it waits.
  await expect.poll(failed).toBe(failedBefore + 1);
  caller.abort();
  await expect(asking).rejects.toThrow();
  await expect.poll(cancelled, { timeout: 5_000 }).toBe("1");
  expect(asked()).toBe(1);
});

test("beside a target that waits to be asked again the next one is asked, as beside a slow one", async () => {
  const asked = answerFirstWith(limited(5_000), succeed);
  const response = await ask("hedged");
  expect([response.status, response.headers.get("x-weir-target")]).toEqual([200, "second/m"]);
  expect(asked()).toBe(1);
  expect(await linesOf(response, 2)).toEqual(expect.arrayContaining([["first", AttemptResult.FAILED, false], ["second", AttemptResult.SUCCEEDED, true]]));
});

test("what was held for the attempt that failed is free for the one after it", async () => {
  const policy = weir.client(PolicyService);
  const { id: teamId, organizationId } = (await policy.listTeams({})).teams[0]!;
  // A thousandth of a dollar each, and a little for the question: room for one of them, and not for two.
  await policy.createBudget({ organizationId, subject: { teamId }, name: "retried calls", limitNanos: 1_500_000n, period: BudgetPeriod.TOTAL });
  const usage = async () => (await policy.listBudgets({ organizationId })).budgets[0]!.usage!;
  // Of a key that is made behind the budget it is known from the first call on; of others within a second.
  const { secret: key } = await policy.createKey({ teamId, name: "behind the budget" });
  const asked = answerFirstWith(limited(20), succeed);
  expect((await ask("alone", { key })).status).toBe(200);
  expect(asked()).toBe(2);
  await expect.poll(usage, { timeout: 20_000 }).toMatchObject({ postedNanos: 101_000n });
});
