/** Proves that documents are ranked in both dialects, by vendors of both forms, and that what is billed stands in the ledger. */
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let vendor: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(500, {}));
  weir = await startWeir({
    config: `
providers:
  coh: { vendor: cohere, api_key: sk-c, base_url: "${vendor.baseUrl}", models: [rank] }
  own: { vendor: vllm, base_url: "${vendor.baseUrl}", models: [bge] }
  home: { vendor: openai, api_key: sk-o, models: [gpt] }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await vendor?.stop();
});

const cohereReply = { id: "c-1", results: [{ index: 1, relevance_score: 0.9 }, { index: 0, relevance_score: 0.25 }], meta: { api_version: { version: "2" }, billed_units: { search_units: 2 } } };
const jinaReply = { id: "j-1", model: "bge-base", results: [{ index: 0, relevance_score: 0.5, document: { text: "a" } }, { index: 1, relevance_score: 0.75, document: { text: "b" } }], usage: { total_tokens: 41 } };

async function rerank(path: string, body: string, answer: object): Promise<{ reply: unknown; headers: Headers; sent: { path: string; body: string } }> {
  vendor.answerWith(json(200, answer));
  const place = vendor.requests.length;
  const response = await fetch(weir.origin + path, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body });
  const reply: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(reply));
  const sent = await vendor.request(place);
  return { reply, headers: response.headers, sent: { path: sent.path, body: sent.body.toString() } };
}

async function ledgerLine(headers: Headers) {
  const [attempt] = await weir.attempts(1, { requestId: headers.get("x-request-id")! });
  const { intent, outcome, rank } = attempt!.event!;
  return { operation: intent!.operation, rank, quantities: outcome!.usage!.quantities.map(({ meter, quantity }) => [meter, quantity]) };
}

test("Cohere's own bytes go on untouched but for the model; its search units stand in the ledger", async () => {
  const body = '{ "model":"coh/rank", "query":"q",  "documents":["a","b"], "priority": 7 }';
  const { reply, headers, sent } = await rerank("/v2/rerank", body, cohereReply);
  expect(sent).toEqual({ path: "/v1/rerank", body: body.replace("coh/rank", "rank") });
  expect(reply).toEqual(cohereReply);
  expect(await ledgerLine(headers)).toEqual({ operation: "rerank", rank: UsageSource.PROVIDER, quantities: [[Meter.SEARCH_UNITS, 2n]] });
});

test("Jina's form goes untouched to a server that speaks it", async () => {
  const body = '{"model":"own/bge","query":"q","documents":["a",{"text":"b","title":"t"}],"return_documents":true,"truncate_prompt_tokens":9}';
  const { reply, headers, sent } = await rerank("/v1/rerank", body, jinaReply);
  expect(sent.body).toBe(body.replace("own/bge", "bge"));
  expect(reply).toEqual(jinaReply);
  expect(await ledgerLine(headers)).toEqual({ operation: "rerank", rank: UsageSource.PROVIDER, quantities: [[Meter.INPUT_TOKENS, 41n]] });
});

test("Jina's form is translated for Cohere, with the documents that were asked for", async () => {
  const { reply, headers, sent } = await rerank("/v1/rerank", '{"model":"coh/rank","query":"q","documents":["a",{"text":"b"}],"top_n":2,"return_documents":true,"overlap":3}', cohereReply);
  expect(sent.body).toBe('{"model":"rank","query":"q","documents":["a","b"],"top_n":2}');
  expect(reply).toEqual({
    id: "c-1",
    object: "rerank",
    model: "rank",
    results: [{ index: 1, relevance_score: 0.9, document: { text: "b" } }, { index: 0, relevance_score: 0.25, document: { text: "a" } }],
    usage: { search_units: 2 },
  });
  expect(headers.get("x-weir-warnings")).toContain("overlap");
  await expect(rerank("/v1/rerank", '{"model":"coh/rank","query":"q","documents":[{"title":"t"}]}', cohereReply)).rejects.toThrow("documents[0] is no text");
});

test("Cohere's form is translated for a server of Jina's, the best first; what it has not is warned of", async () => {
  const { reply, headers, sent } = await rerank("/v2/rerank", '{"model":"own/bge","query":"q","documents":["a","b"],"max_tokens_per_doc":64}', jinaReply);
  expect(sent).toEqual({ path: "/v1/rerank", body: '{"model":"bge","query":"q","documents":["a","b"]}' });
  expect(reply).toEqual({ id: "j-1", results: [{ index: 1, relevance_score: 0.75 }, { index: 0, relevance_score: 0.5 }], meta: { api_version: { version: "2" } } });
  expect(headers.get("x-weir-warnings")).toContain("max_tokens_per_document");
});

test("a reply without usage is estimated: the least that Cohere bills, tokens elsewhere", async () => {
  const cohere = await rerank("/v2/rerank", '{"model":"coh/rank","query":"q","documents":["a"]}', { results: cohereReply.results });
  expect(await ledgerLine(cohere.headers)).toMatchObject({ rank: UsageSource.ESTIMATED, quantities: [[Meter.SEARCH_UNITS, 1n]] });
  const own = await rerank("/v1/rerank", '{"model":"own/bge","query":"q","documents":["a"]}', { results: jinaReply.results });
  expect(await ledgerLine(own.headers)).toMatchObject({ rank: UsageSource.ESTIMATED, quantities: [[Meter.INPUT_TOKENS, 2n]] });
});

test("OpenAI itself ranks nothing, and the error, in the form of the door, says who does", async () => {
  const asked = { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: '{"model":"home/gpt","query":"q","documents":["a"]}' };
  const cohere = (await (await fetch(`${weir.origin}/v2/rerank`, asked)).json()) as { message: string };
  expect(cohere.message).toContain("home does not offer it. Name a model of coh or own.");
  const client = new OpenAI({ baseURL: `${weir.origin}/v1`, apiKey: weir.inferenceKey, maxRetries: 0 });
  await expect(client.post("/rerank", { body: JSON.parse(asked.body) as object })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
});

test("the RPC ranks in types", async () => {
  vendor.answerWith(json(200, cohereReply));
  const client = weir.client(InferenceService, weir.inferenceKey);
  const response = await client.rerank({ model: "coh/rank", query: "q", documents: ["a", "b"], maxTokensPerDocument: 64 });
  expect(response).toMatchObject({ id: "c-1", model: "rank", target: "coh/rank", results: [{ index: 1, relevanceScore: 0.9 }, { index: 0, relevanceScore: 0.25 }] });
  expect(JSON.parse(vendor.requests.at(-1)!.body.toString())).toEqual({ model: "rank", query: "q", documents: ["a", "b"], max_tokens_per_doc: 64 });
  await expect(client.rerank({ model: "coh/rank", documents: ["a"] })).rejects.toThrow("documents: send at least one and a query");
});
