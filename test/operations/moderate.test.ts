/** Proves that content is judged by every vendor that judges, that what costs nothing is free in the ledger, and that what is charged is not. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let vendor: ScriptedProvider;
let weir: Weir;
let openai: OpenAI;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(500, {}));
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-o, base_url: "${vendor.baseUrl}", models: [omni] }
  mis: { vendor: mistral, api_key: sk-m, base_url: "${vendor.baseUrl}", models: [judge] }
  claude: { vendor: anthropic, api_key: sk-a, base_url: "${vendor.baseUrl}", models: [m] }
routes:
  judged: { targets: [claude/m, mis/judge, oai/omni] }
`,
  });
  openai = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
});

const openaiReply = {
  id: "modr-1",
  model: "omni-2024",
  results: [{ flagged: true, categories: { violence: true, hate: false }, category_scores: { violence: 0.9, hate: 0.01 }, category_applied_input_types: { violence: ["image"], hate: ["text"] }, of_tomorrow: 1 }],
};
const mistralReply = { id: "m-1", model: "judge-2411", results: [{ categories: { pii: true, sexual: false }, category_scores: { pii: 0.75, sexual: 0.5 } }, { categories: { pii: false }, category_scores: { pii: 0 } }] };

test("OpenAI's own bytes go on untouched but for the model, and its judgement comes back whole; it is free", async () => {
  vendor.answerWith(json(200, openaiReply));
  const place = vendor.requests.length;
  const input: OpenAI.ModerationMultiModalInput[] = [{ type: "text", text: "a" }, { type: "image_url", image_url: { url: "https://example.com/a.png" } }];
  const { data, response } = await openai.moderations.create({ model: "oai/omni", input }).withResponse();
  expect(data).toEqual(openaiReply);
  const { path, body, headers } = await vendor.request(place);
  expect([path, JSON.parse(body.toString()), headers.authorization]).toEqual(["/v1/moderations", { model: "omni", input }, "Bearer sk-o"]);
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  expect(attempt).toMatchObject({ costNanos: 0n, event: { rank: UsageSource.PROVIDER, intent: { operation: "moderate" }, outcome: { servedModel: "omni-2024", usage: { quantities: [] } } } });
});

test("Mistral judges in OpenAI's dialect, and is charged by what it reports or, where it does not, by the estimate", async () => {
  vendor.answerWith(json(200, mistralReply));
  const place = vendor.requests.length;
  const { data, response } = await openai.moderations.create({ model: "judged", input: ["a", "b"] }).withResponse();
  expect(response.headers.get("x-weir-target")).toBe("mis/judge");
  expect(data).toEqual({
    id: "m-1",
    model: "judge-2411",
    results: [
      { flagged: true, categories: { pii: true, sexual: false }, category_scores: { pii: 0.75, sexual: 0.5 } },
      { flagged: false, categories: { pii: false }, category_scores: { pii: 0 } },
    ],
  });
  const { path, body } = await vendor.request(place);
  expect([path, body.toString()]).toEqual(["/v1/moderations", '{"model":"judge","input":["a","b"]}']);
  const [attempt] = await weir.attempts(1, { requestId: response.headers.get("x-request-id")! });
  expect(attempt!.event!.rank).toBe(UsageSource.ESTIMATED);
  expect(attempt!.event!.outcome!.usage!.quantities).toMatchObject([{ meter: Meter.INPUT_TOKENS, quantity: 2n }]);
  expect(attempt!.costNanos).toBeUndefined();
});

test("an image goes past a vendor that judges texts alone, and a member that nobody knows is warned of, or refused when strict", async () => {
  vendor.answerWith(json(200, openaiReply));
  const image: OpenAI.ModerationMultiModalInput[] = [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }];
  const { response } = await openai.moderations.create({ model: "judged", input: image }).withResponse();
  expect(response.headers.get("x-weir-target")).toBe("oai/omni");
  vendor.answerWith(json(200, mistralReply));
  const unknown = { model: "mis/judge", input: "a", of_tomorrow: 1 };
  expect((await openai.moderations.create(unknown).withResponse()).response.headers.get("x-weir-warnings")).toContain("of_tomorrow");
  await expect(openai.moderations.create(unknown, { headers: { "x-weir-strict": "true" } })).rejects.toThrow("of_tomorrow is not known to Weir");
});

test("the RPC judges texts and images in types", async () => {
  const client = weir.client(InferenceService, weir.inferenceKey);
  vendor.answerWith(json(200, openaiReply));
  const place = vendor.requests.length;
  const parts = [
    { kind: { case: "text" as const, value: { text: "a" } } },
    { kind: { case: "image" as const, value: { media: { source: { case: "data" as const, value: new Uint8Array([1, 2]) }, mediaType: "image/png" } } } },
  ];
  const response = await client.moderate({ model: "oai/omni", inputs: [{ parts }] });
  expect(response).toMatchObject({ id: "modr-1", model: "omni-2024", target: "oai/omni", results: [{ flagged: true, categories: [{ name: "violence", flagged: true, score: 0.9, inputTypes: ["image"] }, { name: "hate", flagged: false }] }] });
  expect(JSON.parse((await vendor.request(place)).body.toString())).toEqual({ model: "omni", input: [{ type: "text", text: "a" }, { type: "image_url", image_url: { url: "data:image/png;base64,AQI=" } }] });
  await expect(client.moderate({ model: "oai/omni" })).rejects.toThrow("inputs: send at least one");
});
