/** Proves in which order a route's targets are tried, by what its `order` says, and that ExplainDecision says the same. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 10, total_tokens: 11 } };
const answer = json(200, completion);
const slowMs = 500;
const answerSlowly: Answer = (request, response) => void setTimeout(() => void answer(request, response), slowMs);

let quick: ScriptedProvider;
let slow: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  [quick, slow] = await Promise.all([startScriptedProvider(answer), startScriptedProvider(answerSlowly)]);
  weir = await startWeir({
    config: `
providers:
  slow: { vendor: openai, api_key: k, base_url: "${slow.baseUrl}", models: [m] }
  quick: { vendor: openai, api_key: k, base_url: "${quick.baseUrl}", models: [unpriced, talks, reads, reserve] }
routes:
  by-price: { targets: [quick/unpriced, quick/talks, quick/reads], order: price }
  by-weight: { targets: [quick/reserve, quick/talks, quick/reads], order: weight, weights: { quick/talks: 3, quick/reads: 1 } }
  sticky: { targets: [quick/talks, quick/reads], order: weight, weights: { quick/talks: 1, quick/reads: 1 }, sticky_label: end_user }
  by-latency: { targets: [slow/m, quick/talks], order: latency }
prices:
  openai/talks: { input: "10", output: "1" }
  openai/reads: { input: "1", output: "10" }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([quick?.stop(), slow?.stop()]);
});

async function targetOf(model: string, content = "Hi", maximum = 10, labels = ""): Promise<string | null> {
  const body = { model, max_completion_tokens: maximum, messages: [{ role: "user", content }] };
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, ...(labels !== "" && { "x-weir-labels": labels }) }, body: JSON.stringify(body) });
  await response.arrayBuffer();
  expect(response.status).toBe(200);
  return response.headers.get("x-weir-target");
}

async function explained(model: string): Promise<readonly unknown[]> {
  const { targets } = await weir.client(RoutingService).explainDecision({ model, maxOutputTokens: 10n, text: "Hi" });
  return targets.map(({ name, standing }) => [name, standing.case, standing.value]);
}

test("by price: the cheapest for this very call, then the others, and last what has no price", async () => {
  expect(await targetOf("by-price", "a long text ".repeat(200))).toBe("quick/reads");
  expect(await targetOf("by-price", "Hi", 500)).toBe("quick/talks");
  expect(await explained("by-price")).toEqual([["quick/talks", "estimatedNanos", 20_000n], ["quick/reads", "estimatedNanos", 101_000n], ["quick/unpriced", undefined, undefined]]);
  quick.answerWith((request, response) => (String(request.body).includes('"talks"') ? json(500, {})(request, response) : answer(request, response)));
  expect(await targetOf("by-price", "Hi", 500)).toBe("quick/reads");
  quick.answerWith(answer);
});

test("by weight: calls are shared as the weights say, and what has none is asked when the others fail", async () => {
  const targets = await Promise.all(Array.from({ length: 200 }, () => targetOf("by-weight")));
  const talking = targets.filter((target) => target === "quick/talks").length;
  expect(targets.filter((target) => target === "quick/reads")).toHaveLength(200 - talking);
  // 150 of 200, and six times the spread of such a draw.
  expect(talking).toBeGreaterThan(113);
  expect(talking).toBeLessThan(187);
  expect(await explained("by-weight")).toEqual([["quick/talks", "weight", 3], ["quick/reads", "weight", 1], ["quick/reserve", undefined, undefined]]);
  quick.answerWith((request, response) => (String(request.body).includes('"reserve"') ? answer(request, response) : json(500, {})(request, response)));
  expect(await targetOf("by-weight")).toBe("quick/reserve");
  quick.answerWith(answer);
});

test("by weight, drawn by a label: who has the same value of it stays, and not all have the same target", async () => {
  const targetsOfUser = (user: number): Promise<(string | null)[]> => Promise.all(Array.from({ length: 3 }, () => targetOf("sticky", "Hi", 10, `end_user=u${user}`)));
  const targets = await Promise.all(Array.from({ length: 30 }, (_, user) => targetsOfUser(user)));
  for (const [first, ...others] of targets) expect(new Set(others)).toEqual(new Set([first]));
  expect(new Set(targets.flat()).size).toBe(2);
});

test("by latency: each target once, then the one that begins soonest", async () => {
  expect([await targetOf("by-latency"), await targetOf("by-latency"), await targetOf("by-latency"), await targetOf("by-latency")]).toEqual(["slow/m", "quick/talks", "quick/talks", "quick/talks"]);
  const targets = await explained("by-latency");
  expect(targets).toMatchObject([["quick/talks", "latency", { seconds: 0n }], ["slow/m", "latency", {}]]);
});
