/** Proves that an alert of a budget reaches a webhook and NATS, and though Weir is killed in between. */
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import OpenAI from "openai";
import { expect, onTestFinished, test } from "vitest";
import { findNatsServer, startNatsServer } from "../harness/nats-server.ts";
import { runWeir } from "../harness/run-weir.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const secret = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
const isHere = (await findNatsServer()) !== undefined;

test.skipIf(!isHere)("an alert comes to both, over a SIGKILL, signed and with one id", async () => {
  const hook = await startHook();
  const nats = await startNatsServer((await findNatsServer())!);
  onTestFinished(() => nats.stop());
  const dataDirectory = await mkdtemp(join(tmpdir(), "weir-alerts-"));
  onTestFinished(() => rm(dataDirectory, { recursive: true, force: true }));
  const config = `
alerts: { nats: true, webhooks: [{ name: ops, url: "${hook.url}", secrets: ["${secret}"], private_address: true }] }
budgets: [{ name: everything, limit: "1", alert_percents: [50] }]
prices: { demo/demo-chat: { input: "0", output: "0", request: "0.6" } }
`;
  const weirCommand = async (...words: string[]): Promise<string> =>
    (await runWeir(words, { environment: { WEIR_DATA: dataDirectory } })).stdout;
  const start = (): Promise<Weir> => startWeir({ config, dataDirectory, environment: { WEIR_NATS_URL: nats.url }, wiring: "together" });

  const killed = await start();
  const reply = await fetch(`${killed.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${killed.inferenceKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content: "Hello" }] }),
  });
  expect(reply.status).toBe(200);
  await expect.poll(() => weirCommand("budgets", "alerts")).toMatch(/everything .* 50 +1[.]00 +0[.]60 +nats: yes; ops: attempt 2 at .* [(]it answered with status 503[)]$/m);
  await killed.stop("SIGKILL");
  hook.status = 200;

  const weir = await start();
  onTestFinished(async () => void (await weir.stop()));
  await expect.poll(() => weirCommand("budgets", "alerts")).toMatch(/nats: yes; ops: yes$/m);
  expect(await weirCommand("budgets", "alerts", "test", "nats")).toBe("nats took the alert.\n");

  const ids = new Set(hook.received.map(({ headers }) => headers["webhook-id"]));
  expect(ids.size).toBe(1);
  const { headers, body } = hook.received.at(-1)!;
  await new OpenAI({ apiKey: "none" }).webhooks.verifySignature(body, headers as Record<string, string>, secret);
  const connection = await connect({ servers: nats.url });
  onTestFinished(() => connection.close());
  const stream = await jetstream(connection).streams.get("WEIR_ALERTS");
  const kept = await stream.getMessage({ seq: 1 });
  expect(kept!.string()).toBe(body);
  expect(kept!.header.get("Nats-Msg-Id")).toBe([...ids][0]);
  expect((await stream.getMessage({ seq: 2 }))!.json()).toMatchObject({ type: "budget.test" });
});

/** At first it takes nothing. */
async function startHook() {
  const hook = { url: "", status: 503, received: [] as { headers: IncomingHttpHeaders; body: string }[] };
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      hook.received.push({ headers: request.headers, body });
      response.writeHead(hook.status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  hook.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return hook;
}
