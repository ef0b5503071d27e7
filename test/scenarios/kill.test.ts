import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { linesByModel } from "../harness/callers.ts";
import { startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const inFlight = 50;
/** How many requests the upstream has seen when Weir is killed, one kill each: early, and well under way. */
const killsAfter = process.env["WEIR_TEST_LEVEL"] === "full" ? Array.from({ length: 20 }, (_, kill) => 20 + ((kill * 67) % 300)) : [30, 260];

let upstream: ScriptedProvider;
let dataDirectory: string;

beforeAll(async () => {
  dataDirectory = await mkdtemp(join(tmpdir(), "weir-kill-"));
  upstream = await startScriptedProvider(async ({ body }, response) => {
    // Every third reply is a stream of some length, so that some are open at any moment.
    const { stream } = JSON.parse(body.toString()) as { stream?: boolean };
    const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };
    if (stream !== true) {
      const choices = [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "drop" } }];
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "m", choices, usage }));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const chunk = (rest: object): string => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", ...rest })}\n\n`;
    for (let index = 0; index < 20; index++) {
      response.write(chunk({ choices: [{ index: 0, delta: { content: "drop " }, finish_reason: null }] }));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    response.write(chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
    response.end(`${chunk({ choices: [], usage })}data: [DONE]\n\n`);
  });
});
afterAll(async () => {
  await upstream?.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});

/** Each request asks for a model of its own: the name by which the upstream's list and the ledger's lines are matched. */
let asked = 0;

async function load(weir: Weir, stopped: AbortSignal): Promise<void> {
  while (!stopped.aborted) {
    const place = asked++;
    const body = JSON.stringify({ model: `up/m-${place}`, stream: place % 3 === 0, messages: [{ role: "user", content: "rain" }] });
    const headers = { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" };
    await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers, body }).then((response) => response.text()).catch(() => undefined);
  }
}

test(`SIGKILL under load, ${killsAfter.length} times: what the upstream served stands in the ledger exactly once`, { timeout: 60_000 + killsAfter.length * 20_000 }, async () => {
  const config = `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, logging: { level: error } }`;
  for (const seen of killsAfter) {
    const weir = await startWeir({ config, dataDirectory });
    const stopped = new AbortController();
    const place = upstream.requests.length;
    const callers = Array.from({ length: inFlight }, () => load(weir, stopped.signal));
    await upstream.request(place + seen);
    await weir.stop("SIGKILL");
    stopped.abort();
    await Promise.all(callers);
  }
  const weir = await startWeir({ config, dataDirectory });
  const served = upstream.requests.map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model);
  expect(new Set(served).size).toBe(served.length);
  await weir.attempts(Math.min(1_000, served.length));
  await expect.poll(async () => (await linesByModel(weir)).size, { timeout: 20_000 }).toBeGreaterThanOrEqual(served.length);
  const lines = await linesByModel(weir);
  for (const model of served) expect(lines.get(model), model).toHaveLength(1);
  const unserved = [...lines].filter(([model]) => !served.includes(model)).flatMap(([, attempts]) => attempts);
  expect(unserved.length).toBeLessThanOrEqual(inFlight * killsAfter.length);
  for (const { event } of unserved) expect(event!.outcome!.result).toBe(AttemptResult.ORPHANED);
  const all = [...lines.values()].flat();
  const orphans = all.filter(({ event }) => event!.rank === UsageSource.ORPHANED);
  expect(orphans.length).toBeGreaterThan(0);
  expect(orphans.length).toBeLessThanOrEqual(inFlight * killsAfter.length);
  for (const { event } of all.filter(({ event }) => event!.outcome!.result === AttemptResult.SUCCEEDED)) expect(event!.outcome!.usage!.quantities.map(({ quantity }) => quantity)).toEqual([3n, 5n]);
  await weir.stop();
});
