import { rename, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

let upstream: ScriptedProvider;
let weir: Weir;

const configWith = (routes: string, provider = "up"): string => `providers: { ${provider}: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }\nroutes: { ${routes} }\n`;

beforeAll(async () => {
  upstream = await startScriptedProvider(
    json(200, { id: "c", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "hi" } }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } }),
  );
  weir = await startWeir({ config: configWith("before: { targets: [up/m] }") });
});
afterAll(async () => {
  await weir?.stop();
  await upstream?.stop();
});

async function statusOf(model: string): Promise<number> {
  return (await ask(model)).status;
}

async function ask(model: string): Promise<Response> {
  const response = await fetch(`${weir.origin}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] }),
  });
  await response.text();
  return response;
}

async function replaceConfig(text: string): Promise<void> {
  await writeFile(`${weir.configPath}.new`, text);
  await rename(`${weir.configPath}.new`, weir.configPath);
}

test("a changed file is in force without a restart and without a failed request, a wrong one is reported and changes nothing", async () => {
  expect(await statusOf("after")).toBe(404);
  const statuses: number[] = [];
  let loading = true;
  const load = (async () => {
    while (loading) statuses.push(await statusOf("up/m"));
  })();
  await replaceConfig(configWith("after: { targets: [up/m] }"));
  await expect.poll(() => statusOf("after"), { timeout: 10_000, interval: 50 }).toBe(200);
  loading = false;
  await load;
  expect(statuses.length).toBeGreaterThan(0);
  expect(new Set(statuses)).toEqual(new Set([200]));

  await replaceConfig(`${configWith("after: { targets: [up/m] }")}listen: { admin_port: 9 }\n`);
  await expect.poll(() => weir.log(), { timeout: 10_000, interval: 50 }).toContainEqual(expect.objectContaining({ parts: expect.arrayContaining(["listen"]) as unknown, msg: expect.stringContaining("started again") }));

  await replaceConfig("providers: { up: { vendor: nobody } }\n");
  await expect.poll(() => JSON.stringify(weir.log()), { timeout: 10_000, interval: 50 }).toContain("nobody");
  expect(await statusOf("after")).toBe(200);
});

test("no call fails while a route goes from a provider to another that takes its place, whichever process reads the change first", { timeout: 120_000 }, async () => {
  const configOf = (provider: string): string => configWith(`moved: { targets: [${provider}/m] }`, provider);
  await replaceConfig(configOf("up"));
  await expect.poll(() => statusOf("moved"), { timeout: 10_000, interval: 50 }).toBe(200);
  const failed: number[] = [];
  for (const provider of ["other", "up", "other", "up"]) {
    await replaceConfig(configOf(provider));
    for (let target: string | null = null; target !== `${provider}/m`; ) {
      const response = await ask("moved");
      if (response.status !== 200) failed.push(response.status);
      target = response.headers.get("x-weir-target");
    }
  }
  expect(failed).toEqual([]);
});
