/** Proves that each attempt stands in the ledger whatever its vendor replies or its caller writes into labels, and that reports stay readable. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider(json(200, completion({})));
  weir = await startWeir({
    config: `
providers:
  near: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [words] }
prices:
  openai/words: { input: "1", output: "10" }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

test("texts with NUL and usage that no number can hold keep no attempt out of the ledger, and no report from being read", async () => {
  const replies = [
    completion({ model: "a\0b" }),
    completion({ service_tier: "\0" }),
    completion({ finish: "st\0op" }),
    completion({ prompt_tokens: Number.MAX_SAFE_INTEGER }),
    completion({ prompt_tokens: Number.MAX_SAFE_INTEGER }),
    completion({ completion_tokens: Number.MAX_SAFE_INTEGER }),
  ];
  for (const reply of replies) {
    upstream.answerWith(json(200, reply));
    expect((await call("/v1/chat/completions", { model: "near/words", messages: [{ role: "user", content: "Hello" }] })).status).toBe(200);
  }
  upstream.answerWith(json(200, completion({})));
  const generation = { model: "near/words", messages: [{ role: "ROLE_USER", parts: [{ text: { text: "Hello" } }] }] };
  const labels = { application: `${"x".repeat(99)}😀` };
  expect((await call("/weir.inference.v1.InferenceService/Generate", { generation: { ...generation, labels } })).status).toBe(200);

  expect(await weir.attempts(upstream.requests.length)).toHaveLength(upstream.requests.length);
  const { rows } = await weir.client(MeteringService).queryUsage({ groupByLabels: ["application"] });
  expect(rows.reduce((sum, { attempts }) => sum + attempts, 0n)).toBe(BigInt(upstream.requests.length));
});

test("a budget counts what was held for a call whose usage cannot be true, and no more is admitted than it allows", async () => {
  upstream.answerWith(json(200, completion({ completion_tokens: Number.MAX_SAFE_INTEGER })));
  const policy = weir.client(PolicyService);
  const { teams } = await policy.listTeams({});
  const { id: teamId, organizationId } = teams[0]!;
  // Before the key, so that it holds for the key's first call.
  const { budget } = await policy.createBudget({ organizationId, name: "odd", subject: { labelName: "spender", labelValue: "odd" }, period: BudgetPeriod.TOTAL, limitNanos: 50_000_000n });
  const { secret } = await policy.createKey({ teamId, name: "odd", labels: { spender: "odd" }, consistency: Consistency.STALE_OK });
  const ask = () => call("/v1/chat/completions", { model: "near/words", max_tokens: 2_000, messages: [{ role: "user", content: "Hello" }] }, secret);
  // Each can come to a little more than two cents.
  const statuses = [];
  for (let n = 0; n < 4; n++) statuses.push((await ask()).status);
  expect(statuses).toEqual([200, 200, 429, 429]);
  const posted = async (): Promise<bigint> => (await policy.listBudgets({ pageSize: 1_000 })).budgets.find(({ id }) => id === budget!.id)!.usage!.postedNanos;
  await expect.poll(posted, { timeout: 10_000 }).toBeGreaterThan(40_000_000n);
});

interface Reply {
  readonly model?: string;
  readonly service_tier?: string;
  readonly finish?: string;
  readonly prompt_tokens?: number;
  readonly completion_tokens?: number;
}

function completion({ model = "words", service_tier, finish = "stop", prompt_tokens = 10, completion_tokens = 5 }: Reply) {
  return { id: "chatcmpl-1", object: "chat.completion", created: 1, model, service_tier, choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: finish }], usage: { prompt_tokens, completion_tokens } };
}

function call(path: string, body: unknown, key = weir.inferenceKey): Promise<Response> {
  return fetch(`${weir.origin}${path}`, { method: "POST", headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }, body: JSON.stringify(body) });
}
