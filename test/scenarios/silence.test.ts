import { afterAll, beforeAll, expect, test } from "vitest";
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const chunk = (delta: object, finish: string | null = null): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const dialects = [
  ["OpenAI's, untouched", "/v1/chat/completions", ": keep-alive\n\n"],
  ["Anthropic's, translated", "/v1/messages", 'event: ping\ndata: {"type": "ping"}\n\n'],
] as const;

let upstream: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  upstream = await startScriptedProvider(() => undefined);
  weir = await startWeir({ config: `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, limits: { stream_keep_alive: 0.2s } }` });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

test.each(dialects)("a stream that falls silent gets signs of life in the dialect's form: %s", async (_, path, sign) => {
  let goOn = (): void => undefined;
  upstream.answerWith(async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(chunk({ role: "assistant", content: "be" }));
    await new Promise<void>((resolve) => (goOn = resolve));
    response.end(chunk({ content: "gun" }) + chunk({}, "stop") + "data: [DONE]\n\n");
  });
  const body = JSON.stringify({ model: "up/m", max_tokens: 9, stream: true, messages: [{ role: "user", content: "Hi" }] });
  const reply = await fetch(`${weir.origin}${path}`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}`, "anthropic-version": "2023-06-01" }, body });
  let text = "";
  for await (const piece of reply.body!) {
    text += Buffer.from(piece).toString();
    // The vendor is silent until two signs have come.
    if (text.split(sign).length === 3) goOn();
  }
  const events = text.split(sign);
  expect(events.length).toBeGreaterThanOrEqual(3);
  expect(events.join("")).toMatch(/be[^]*gun/);
});
