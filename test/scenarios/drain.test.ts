/** Proves that callers whose requests outlast the drain of a stopping Weir are told so, in their own dialect. */
import { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;

const firstChunk = { id: "c1", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: { role: "assistant", content: "hi" }, finish_reason: null }] };

beforeAll(async () => {
  // Begins streams, and answers nothing else.
  upstream = await startScriptedProvider((request, response) => {
    if (!request.body.includes('"stream":true')) return;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(firstChunk)}\n\n`);
  });
  weir = await startWeir({ config: `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, limits: { drain_timeout: 1s } }` });
});
afterAll(async () => {
  await upstream?.stop();
});

const ask = (stream: boolean): Promise<Response> =>
  fetch(`${weir.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "up/m", stream, messages: [{ role: "user", content: "rain" }] }),
  });

test("a call that waits is 503, a stream ends with an error, and the process ends well", async () => {
  const waiting = ask(false);
  await expect.poll(() => upstream.requests.length).toBe(1);
  const streaming = await ask(true);
  const code = weir.stop("SIGTERM");
  const answer = await waiting;
  expect([answer.status, answer.headers.get("x-weir-reason")]).toEqual([503, "SHUTTING_DOWN"]);
  const text = await streaming.text();
  expect(text).toContain('"content":"hi"');
  expect(text).toContain("Weir is shutting down");
  expect(text).not.toContain("[DONE]");
  expect(await code).toBe(0);
});

test("a watch, which has no end of its own, is ended at once, and is told why", async () => {
  const watched = await startWeir({ config: "{ limits: { drain_timeout: 60s } }" });
  const watch = watched.client(MeteringService).watchUsage({ query: {} })[Symbol.asyncIterator]();
  await watch.next();
  const stoppedMs = performance.now();
  const code = watched.stop("SIGTERM");
  const rpcError = await watch.next().catch((error: unknown) => ConnectError.from(error));
  expect(rpcError instanceof ConnectError && rpcError.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: "SHUTTING_DOWN" }]);
  expect(await code).toBe(0);
  expect(performance.now() - stoppedMs).toBeLessThan(30_000);
});
