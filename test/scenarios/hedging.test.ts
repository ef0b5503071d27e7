/** Proves that a slow target has the next one asked beside it, that who begins first answers, and that both stand in the ledger. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 10, total_tokens: 11 } };
const events = [
  { ...completion, object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: null },
  { ...completion, object: "chat.completion.chunk", choices: [] },
];
const stream = `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")}data: [DONE]\n\n`;

let silent: ScriptedProvider;
let quick: ScriptedProvider;
let slow: ScriptedProvider;
let refusing: ScriptedProvider;
const refused = Promise.withResolvers<void>();
let weir: Weir;

beforeAll(async () => {
  // It never answers.
  silent = await startScriptedProvider(() => undefined);
  quick = await startScriptedProvider((request, response) => {
    if (!String(request.body).includes('"stream":true')) return json(200, completion)(request, response);
    response.writeHead(200, { "content-type": "text/event-stream" }).end(stream);
  });
  // It answers once the other has refused.
  refusing = await startScriptedProvider((request, response) => {
    refused.resolve();
    return json(400, { error: { message: "no" } })(request, response);
  });
  slow = await startScriptedProvider(async (request, response) => {
    await refused.promise;
    return json(200, completion)(request, response);
  });
  weir = await startWeir({
    config: `
providers:
  silent: { vendor: openai, api_key: k, base_url: "${silent.baseUrl}", models: [m] }
  quick: { vendor: openai, api_key: k, base_url: "${quick.baseUrl}", models: [m] }
  slow: { vendor: openai, api_key: k, base_url: "${slow.baseUrl}", models: [m] }
  refusing: { vendor: openai, api_key: k, base_url: "${refusing.baseUrl}", models: [m] }
routes:
  hedged: { targets: [silent/m, quick/m], hedge_after: 0.1s }
  refused-beside: { targets: [slow/m, refusing/m], hedge_after: 0.05s }
  in-time: { targets: [quick/m, silent/m], hedge_after: 60s }
models: { openai/m: { max_output_tokens: 100 } }
prices: { openai/m: { input: "1", output: "10" } }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([silent?.stop(), quick?.stop(), slow?.stop(), refusing?.stop()]);
});

function ask(model: string, isStream = false): Promise<Response> {
  const body = { model, max_completion_tokens: 50, stream: isStream, messages: [{ role: "user", content: "Hi" }] };
  return fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: JSON.stringify(body) });
}

test.each([
  ["a whole reply", false],
  ["a stream", true],
])("%s comes from the second target; the first is let go of, and both are lines of the ledger", async (_, isStream) => {
  const place = silent.requests.length;
  const response = await ask("hedged", isStream);
  expect([response.status, response.headers.get("x-weir-target")]).toEqual([200, "quick/m"]);
  expect(await response.text()).toContain("flow");
  await silent.requests[place]!.aborted;
  const attempts = await weir.attempts(2, { requestId: response.headers.get("x-request-id")! });
  const lines = attempts.map(({ event }) => [event!.intent!.provider, event!.outcome!.result]);
  expect(lines).toHaveLength(2);
  expect(lines).toEqual(expect.arrayContaining([["silent", AttemptResult.CANCELLED], ["quick", AttemptResult.SUCCEEDED]]));
});

test("a refusal of the second target does not end the first, which is on its way", async () => {
  const response = await ask("refused-beside");
  expect([response.status, response.headers.get("x-weir-target")]).toEqual([200, "slow/m"]);
});

test("who begins in time is asked alone", async () => {
  const place = silent.requests.length;
  expect((await ask("in-time")).headers.get("x-weir-target")).toBe("quick/m");
  expect(silent.requests).toHaveLength(place);
});

test("a budget holds for both attempts, and holds nothing when they are over", async () => {
  const policy = weir.client(PolicyService);
  const { id: teamId, organizationId } = (await policy.listTeams({})).teams[0]!;
  await policy.createBudget({ organizationId, subject: { teamId }, name: "hedged calls", limitNanos: 10_000_000n, period: BudgetPeriod.TOTAL });
  const usage = async () => (await policy.listBudgets({ organizationId })).budgets[0]!.usage!;
  const response = await ask("hedged");
  expect(response.headers.get("x-weir-target")).toBe("quick/m");
  await response.text();
  const attempts = await weir.attempts(2, { requestId: response.headers.get("x-request-id")! });
  const costNanos = attempts.reduce((sum, attempt) => sum + (attempt.costNanos ?? 0n), 0n);
  expect(costNanos).toBeGreaterThan(101_000n);
  await expect.poll(usage, { timeout: 20_000 }).toMatchObject({ postedNanos: costNanos });
});
