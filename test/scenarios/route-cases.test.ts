/** Proves that a route's cases give calls their targets: by what is known of the call, and by the file as it is now. */
import { rename, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { json, startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 10, total_tokens: 11 } };
const answer = json(200, completion);
const answerInEvents: Answer = (request, response) => {
  if (!String(request.body).includes('"stream":true')) return answer(request, response);
  const chunk = { ...completion, object: "chat.completion.chunk", choices: [{ index: 0, delta: { role: "assistant", content: "flow" }, finish_reason: "stop" }] };
  response.writeHead(200, { "content-type": "text/event-stream" }).end(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
};

let upstream: ScriptedProvider;
let weir: Weir;
let teamId: string;

const configWith = (cases: string): string => `
providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [plain, free, seeing, tooled, long, streamed, teams, failing, deploy] } }
routes:
  chat:
    targets: [up/plain]
    cases:
${cases}
  shared:
    targets: [up/plain]
    cases: [{ where: 'labels.tier == "free"', targets: [up/free, up/failing] }]
    order: weight
    weights: { up/failing: 1 }
`;
const firstCases = `
      - { where: 'labels.tier == "free"', targets: [up/failing, up/free] }
      - { where: 'int(labels.level) > 3', targets: [up/teams] }
      - { where: images, targets: [up/seeing] }
      - { where: tools && !stream, targets: [up/tooled] }
      - { where: stream, targets: [up/streamed] }
      - { where: input_tokens > 1000, targets: [up/long] }
`;

beforeAll(async () => {
  upstream = await startScriptedProvider((request, response) => (String(request.body).includes('"failing"') ? json(500, {})(request, response) : answerInEvents(request, response)));
  weir = await startWeir({ config: configWith(firstCases) });
  teamId = (await weir.client(PolicyService).listTeams({})).teams[0]!.id;
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

async function targetOf(changes: object = {}, labels = "", content: unknown = "Hi"): Promise<string | null> {
  const body = { model: "chat", max_completion_tokens: 10, messages: [{ role: "user", content }], ...changes };
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, ...(labels !== "" && { "x-weir-labels": labels }) }, body: JSON.stringify(body) });
  await response.arrayBuffer();
  expect(response.status).toBe(200);
  return response.headers.get("x-weir-target");
}

const picture = [{ type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }];
const tools = [{ type: "function", function: { name: "rain", parameters: { type: "object" } } }];

test.each<readonly [string, string, object, string, unknown]>([
  ["no case that holds", "up/plain", {}, "", "Hi"],
  ["a label, and a target that fails", "up/free", {}, "tier=free", "Hi"],
  ["a condition that can be decided", "up/teams", {}, "level=4", "Hi"],
  ["a condition that cannot", "up/plain", {}, "level=gold", "Hi"],
  ["a picture, before what holds too", "up/seeing", { tools }, "", picture],
  ["tools", "up/tooled", { tools }, "", "Hi"],
  ["tools in a stream", "up/streamed", { tools, stream: true }, "", "Hi"],
  ["a long text", "up/long", {}, "", "a long text ".repeat(400)],
])("%s: %s answers", async (_, target, changes, labels, content) => {
  expect(await targetOf(changes, labels, content)).toBe(target);
});

test("what the route says holds for a case's targets too: the one with a weight comes first", async () => {
  expect(await targetOf({ model: "shared" })).toBe("up/plain");
  const tried = upstream.requests.length;
  expect(await targetOf({ model: "shared" }, "tier=free")).toBe("up/free");
  expect(upstream.requests.slice(tried).map(({ body }) => (JSON.parse(String(body)) as { model: string }).model)).toEqual(["failing", "free"]);
});

test("ExplainDecision and ListModels say which cases there are, and whose they are only to who sees everybody", async () => {
  const explained = await weir.client(RoutingService).explainDecision({ model: "chat", labels: { tier: "free" } });
  expect(explained).toMatchObject({ allowed: true, route: "chat", routeCase: { position: 1, where: 'labels.tier == "free"' }, targets: [{ name: "up/failing" }, { name: "up/free" }] });
  expect((await weir.client(RoutingService).explainDecision({ model: "chat" })).routeCase).toBeUndefined();
  expect((await weir.client(RoutingService).explainDecision({ model: "chat", stream: true })).routeCase).toMatchObject({ position: 5 });
  expect((await weir.client(RoutingService, weir.inferenceKey).explainDecision({ model: "chat", stream: true })).routeCase).toMatchObject({ position: 5, where: "" });

  const listed = async (key: string) => (await weir.client(InferenceService, key).listModels({})).models.find(({ name }) => name === "shared");
  expect(await listed(weir.adminKey)).toMatchObject({ targets: ["up/plain"], routing: { order: "weight", cases: [{ where: 'labels.tier == "free"', targets: ["up/free", "up/failing"] }] } });
  expect((await listed(weir.inferenceKey))!.routing!.cases).toEqual([]);
});

test("another file has other cases, without a restart; one that cannot be used changes nothing, and says where", async () => {
  const place = `${weir.configPath}.new`;
  const replace = async (cases: string): Promise<void> => {
    await writeFile(place, configWith(cases));
    await rename(place, weir.configPath);
  };
  await replace(`      - { where: 'team == "${teamId}"', targets: [up/deploy] }`);
  await expect.poll(() => targetOf(), { timeout: 10_000, interval: 50 }).toBe("up/deploy");
  await replace("      - { where: 'teem == 1', targets: [up/plain] }");
  await expect.poll(() => JSON.stringify(weir.log()), { timeout: 10_000, interval: 50 }).toMatch(/weir\.yaml:7: routes\.chat\.cases\[0\]\.where: The condition .*unresolved attribute/);
  expect(await targetOf()).toBe("up/deploy");
});
