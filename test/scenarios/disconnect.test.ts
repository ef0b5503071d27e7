import { connect } from "node:http2";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;

const question = "Warum ist die Aare so grün?";
/** Whose tokens are not a quarter of their bytes. */
const pieces = ["Weil", " Gletscher", "milch", " 冰川乳", " das Licht", " streut 🌊"];
const chunkOf = (content: string): string =>
  `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"${content}"},"finish_reason":null}]}\n\n`;

beforeAll(async () => {
  // It begins a stream and never ends it by itself.
  upstream = await startScriptedProvider((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const piece of pieces) response.write(chunkOf(piece));
  });
  weir = await startWeir({ config: `providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }` });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

test.each([
  ["/v1/chat/completions", "the OpenAI door"],
  ["/v1/messages", "the Anthropic door"],
])("%s: a caller that goes away closes the vendor's connection within a second, and stands in the ledger with the tokens of what it got", async (path) => {
  const caller = new AbortController();
  const place = upstream.requests.length;
  const response = await fetch(weir.origin + path, {
    method: "POST",
    headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "up/m", max_tokens: 50, stream: true, messages: [{ role: "user", content: question }] }),
    signal: caller.signal,
  });
  await readUntil(response, pieces.at(-1)!);
  const leftMs = performance.now();
  caller.abort();
  const request = await upstream.request(place);
  await request.aborted;
  expect(performance.now() - leftMs).toBeLessThan(1_000);
  const [attempt] = await weir.attempts(1, { requestId: (response.headers.get("x-request-id") ?? response.headers.get("request-id"))! });
  expect(attempt!.event!.outcome!.result).toBe(AttemptResult.CANCELLED);
  expect(attempt!.event!.rank).toBe(UsageSource.ESTIMATED);
  expect(attempt!.event!.outcome!.usage!.quantities).toMatchObject([
    { meter: Meter.INPUT_TOKENS, quantity: BigInt(countTokens(question)) },
    { meter: Meter.OUTPUT_TOKENS, quantity: BigInt(countTokens(pieces.join(""))) },
  ]);
});

test("an HTTP/2 caller whose connection ends, with a word to no stream, closes the vendor's connection within a second", async () => {
  const place = upstream.requests.length;
  const session = connect(weir.origin);
  const stream = session.request({ ":method": "POST", ":path": "/v1/chat/completions", authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" });
  stream.end(JSON.stringify({ model: "up/m", stream: true, messages: [{ role: "user", content: question }] }));
  await new Promise((resolve) => stream.once("data", resolve));
  const leftMs = performance.now();
  session.socket.destroySoon();
  await (await upstream.request(place)).aborted;
  expect(performance.now() - leftMs).toBeLessThan(1_000);
});

async function readUntil(response: Response, text: string): Promise<void> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  for (let heard = ""; !heard.includes(text); ) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`The stream ended without ${text}: ${heard}`);
    heard += decoder.decode(value, { stream: true });
  }
}
