/** Proves that services apart share one weir.yaml though each has its own secrets alone: vendors' keys are with providers, and nowhere else. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type StartedApart, type WeirClient } from "../harness/start-weir.ts";

const reply = json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hello" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } });

let upstream: ScriptedProvider;
let started: StartedApart;

afterEach(async () => {
  await started.stop();
  await upstream.stop();
});

test("each process starts with what its own service takes from the environment, and takes a change over", async () => {
  upstream = await startScriptedProvider(reply);
  const config = `
providers: { up: { vendor: openai, api_key: "\${UP_KEY}", base_url: "${upstream.baseUrl}", models: [m] } }
routes: { fast: { targets: [up/m] } }
content: { organizations: [nobody], key: "\${CONTENT_KEY}" }
alerts: { webhooks: [{ name: pager, url: "\${ALERT_URL}", secrets: ["\${ALERT_SECRET}"] }] }
guardrail_plugins: { judge: { url: "http://127.0.0.1:9/", secrets: ["\${JUDGE_SECRET}"] } }
`;
  const secret = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
  started = await startApartWeir(config, {
    environmentOf: {
      metering: { CONTENT_KEY: Buffer.alloc(32, 7).toString("base64") },
      policy: { ALERT_URL: "https://hooks.example/weir", ALERT_SECRET: secret },
      providers: { UP_KEY: "sk-canary-of-providers" },
      routing: { JUDGE_SECRET: secret },
    },
  });
  expect(await ask(started.weir, "fast")).toBe(200);
  expect(upstream.requests[0]!.headers["authorization"]).toBe("Bearer sk-canary-of-providers");

  const configPath = join(started.dataDirectory, "weir.yaml");
  await writeFile(configPath, (await readFile(configPath, "utf8")).replace("fast:", "quick:"));
  await vi.waitFor(async () => expect(await ask(started.weir, "quick")).toBe(200), { timeout: 20_000, interval: 100 });
});

test("a route goes to a provider that is found in the environment of providers, and the log names a target that is not there", async () => {
  upstream = await startScriptedProvider(reply);
  started = await startApartWeir("routes: { fast: { targets: [openai/m] } }", { environmentOf: { providers: { OPENAI_API_KEY: "sk-found", OPENAI_BASE_URL: upstream.baseUrl } } });
  expect(await ask(started.weir, "fast")).toBe(200);
  expect(upstream.requests[0]!.headers["authorization"]).toBe("Bearer sk-found");

  const configPath = join(started.dataDirectory, "weir.yaml");
  await writeFile(configPath, (await readFile(configPath, "utf8")).replace("openai/m", "opnai/m"));
  await vi.waitFor(async () => expect(await ask(started.weir, "fast")).toBe(404), { timeout: 20_000, interval: 100 });
  const warnings = (): unknown => started.apart.process("routing").log().filter(({ targets }) => targets !== undefined);
  await expect.poll(warnings).toEqual([expect.objectContaining({ targets: "opnai/m", providers: ["openai"] })]);
});

async function ask({ origin, inferenceKey }: WeirClient, model: string): Promise<number> {
  const response = await fetch(`${origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${inferenceKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] }),
  });
  await response.text();
  return response.status;
}
