import { afterAll, beforeAll, expect, test } from "vitest";
import { startScriptedProvider, type Answer, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider(() => undefined);
  weir = await startWeir({
    config: `
providers:
  oai: { vendor: openai, api_key: sk-openai-secret, base_url: "${upstream.baseUrl}", models: [m] }
  ant: { vendor: anthropic, api_key: sk-anthropic-secret, base_url: "${upstream.baseUrl}", models: [m] }
routes: { own-name: { targets: [oai/m] } }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

/** Sends these bytes and returns the reply's bytes with what the upstream got. */
async function send(path: string, body: string, headers: Record<string, string>, answer: Answer): Promise<{ reply: string; headers: Headers; upstreamBody: string; upstreamHeaders: Record<string, unknown> }> {
  upstream.answerWith(answer);
  const place = upstream.requests.length;
  const response = await fetch(weir.origin + path, { method: "POST", headers, body });
  const reply = await response.text();
  const request = await upstream.request(place);
  return { reply, headers: response.headers, upstreamBody: request.body.toString(), upstreamHeaders: request.headers };
}

const answerBytes = (type: string, bytes: string, headers: Record<string, string> = {}): Answer => (_, response) => void response.writeHead(200, { "content-type": type, ...headers }).end(bytes);

test("the caller's bytes go on as they came but for the model, and the reply's bytes come back untouched", async () => {
  const request = '{ "model" : "own-name",\n\t"messages":[{"role":"user","content":"Grüße 🌊 \\u00e9"}],  "field_of_tomorrow": {"model": "inner", "n": 1.50e0} }';
  const reply = '{"id":"c","object":"chat.completion","created":1,"model":"m-2026",  "choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"ok","unheard_of":true}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}\n';
  const sent = await send("/v1/chat/completions", request, { authorization: `Bearer ${weir.inferenceKey}` }, answerBytes("application/json", reply, { "x-request-id": "vendor-7", "x-ratelimit-remaining-requests": "41" }));
  expect(sent.upstreamBody).toBe(request.replace('"own-name"', '"m"'));
  expect(sent.reply).toBe(reply);
  expect(sent.headers.get("x-weir-upstream-request-id")).toBe("vendor-7");
  expect(sent.headers.get("x-ratelimit-remaining-requests")).toBe("41");
});

test("a stream's bytes come back untouched, but for the usage that only Weir asked for", async () => {
  const before = ': a comment\r\n\r\ndata: {"id":"c","choices":[{"index":0,"delta":{"content":"Grüße 🌊"},"finish_reason":null}],"new":1}\n\nevent: event.of.tomorrow\ndata: {"x":[1,  2]}\n\ndata: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n';
  const usage = 'data: {"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}\n\n';
  const request = JSON.stringify({ model: "oai/m", stream: true, messages: [{ role: "user", content: "hello" }] });
  const sent = await send("/v1/chat/completions", request, { authorization: `Bearer ${weir.inferenceKey}` }, answerBytes("text/event-stream", `${before}${usage}data: [DONE]\n\n`));
  expect(sent.reply).toBe(`${before}data: [DONE]\n\n`);
  expect(JSON.parse(sent.upstreamBody)).toEqual({ ...(JSON.parse(request) as object), model: "m", stream_options: { include_usage: true } });
  const [attempt] = await weir.attempts(1, { requestId: sent.headers.get("x-request-id")! });
  expect(attempt!.event!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([3n, 5n]);
});

test("Anthropic's beta header goes on; the caller's key and cookies do not, the vendor's credential does", async () => {
  const reply = '{"id":"msg","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}';
  const headers = { "x-api-key": weir.inferenceKey, "anthropic-version": "2023-06-01", "anthropic-beta": "of-tomorrow", cookie: "a=b", "x-forwarded-for": "1.2.3.4" };
  const sent = await send("/v1/messages", '{"model":"ant/m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}', headers, answerBytes("application/json", reply));
  expect(sent.reply).toBe(reply);
  expect(sent.upstreamHeaders).toMatchObject({ "anthropic-beta": "of-tomorrow", "x-api-key": "sk-anthropic-secret", "anthropic-version": "2023-06-01" });
  expect(JSON.stringify(sent.upstreamHeaders)).not.toContain(weir.inferenceKey);
  expect(sent.upstreamHeaders).not.toHaveProperty("cookie");
  expect(sent.upstreamHeaders).not.toHaveProperty("x-forwarded-for");
});

test("a member that Weir sets and that stands twice is refused, because readers differ in which one counts", async () => {
  const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: '{"model":"oai/m","model":"oai/other","messages":[]}' });
  expect(response.status).toBe(400);
  expect(await response.text()).toContain("twice");
});
