/** Proves that vendors are reached through the network's proxy where one is configured, and that what it refuses is told to whoever runs Weir. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { leadTo, refuseWith, startForwardProxy, type ForwardProxy } from "../harness/forward-proxy.ts";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 1, completion_tokens: 10, total_tokens: 11 } };

let vendor: ScriptedProvider;
let proxy: ForwardProxy;
let weir: Weir;

beforeAll(async () => {
  vendor = await startScriptedProvider(json(200, completion));
  proxy = await startForwardProxy(leadTo(Number(new URL(vendor.baseUrl).port)));
  weir = await startWeir({
    config: `
proxy: { url: "http://weir:\${PROXY_PASSWORD}@127.0.0.1:${proxy.port}" }
providers:
  far: { vendor: openai, api_key: k, base_url: "http://far.vendor.invalid/v1", models: [m] }
  refused: { vendor: openai, api_key: k, base_url: "http://refused.vendor.invalid/v1", models: [m] }
  near: { vendor: openai, api_key: k, base_url: "${vendor.baseUrl}", models: [m] }
`,
    environment: { PROXY_PASSWORD: "hidden-word" },
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([proxy?.stop(), vendor?.stop()]);
});

function ask(model: string): Promise<Response> {
  const body = { model, messages: [{ role: "user", content: "Hi" }] };
  return fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: JSON.stringify(body) });
}

test("a vendor is reached through the proxy, and a server of one's own network beside it", async () => {
  expect((await ask("far/m")).status).toBe(200);
  expect((await ask("near/m")).status).toBe(200);
  expect(proxy.asked).toEqual([{ authority: "far.vendor.invalid:80", authorization: `Basic ${Buffer.from("weir:hidden-word").toString("base64")}` }]);
  expect(vendor.requests.map(({ headers }) => headers.host)).toEqual(["far.vendor.invalid", new URL(vendor.baseUrl).host]);
});

test("what the proxy refuses fails as a vendor that cannot be reached; the log says that it was the proxy, and what to do", async () => {
  proxy.answerWith(refuseWith(403));
  const reply = await ask("refused/m");
  expect(reply.status).toBe(502);
  expect(await reply.json()).toMatchObject({ error: { message: expect.stringContaining("refused") } });
  await expect.poll(() => JSON.stringify(weir.log())).toContain("answered 403 when it was asked for a tunnel to refused.vendor.invalid:80; let it lead there, or name the host in proxy.direct");
  expect(JSON.stringify(weir.log())).not.toContain("hidden-word");
});
