/** Proves that docs/metrics.md lists the metrics that there are, and that those of usage, charges and targets say what was done. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { json, startScriptedProvider, type ScriptedProvider } from "../harness/scripted-provider.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const completion = { id: "chatcmpl-1", object: "chat.completion", created: 1, model: "m", choices: [{ index: 0, message: { role: "assistant", content: "flow" }, finish_reason: "stop" }], usage: { prompt_tokens: 3, completion_tokens: 10, total_tokens: 13 } };

let vendor: ScriptedProvider;
let broken: ScriptedProvider;
let weir: Weir;

beforeAll(async () => {
  [vendor, broken] = await Promise.all([startScriptedProvider(json(200, completion)), startScriptedProvider(json(503, {}))]);
  weir = await startWeir({
    config: `
providers:
  up: { vendor: openai, api_key: k, base_url: "${vendor.baseUrl}", models: [m] }
  down: { vendor: openai, api_key: k, base_url: "${broken.baseUrl}", models: [m] }
routes: { both: { targets: [down/m, up/m] } }
prices: { openai/m: { input: "1", output: "10" } }
breaker: { minimum_calls: 2, open_time: 600s }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await Promise.all([vendor?.stop(), broken?.stop()]);
});

async function metrics(): Promise<string> {
  return (await fetch(`${weir.processes[0]!.adminOrigin}/metrics`)).text();
}

test("each is in docs/metrics.md, and none else is", async () => {
  const there = [...(await metrics()).matchAll(/^# TYPE (weir_\w+)/gm)].map(([, name]) => name!);
  const rows = (await readFile(new URL("../../docs/metrics.md", import.meta.url), "utf8")).split("\n").filter((line) => line.startsWith("| `"));
  const documented = rows.flatMap((row) => [...row.split("|")[1]!.matchAll(/weir_\w+/g)].map(([name]) => name));
  expect(documented.toSorted()).toEqual(there.toSorted());
});

test("usage, charges, first bytes, open circuits and the journal", async () => {
  for (let call = 0; call < 3; call++) {
    const response = await fetch(`${weir.origin}/v1/chat/completions`, { method: "POST", headers: { authorization: `Bearer ${weir.inferenceKey}` }, body: JSON.stringify({ model: "both", messages: [{ role: "user", content: "Hi" }] }) });
    expect([response.status, await response.json()]).toEqual([200, completion]);
  }
  await weir.attempts(5);
  const text = await metrics();
  for (const line of [
    'weir_ledger_attempts_total{provider="up",model="m",result="succeeded"} 3',
    'weir_ledger_attempts_total{provider="down",model="m",result="failed"} 2',
    'weir_ledger_usage_total{provider="up",model="m",meter="input_tokens"} 9',
    'weir_ledger_usage_total{provider="up",model="m",meter="output_tokens"} 30',
    'weir_ledger_charge_dollars_total{provider="up",model="m"} 0.000309',
    'weir_attempt_first_byte_seconds_count{provider="up",model="m"} 3',
    'weir_circuit_open{target="down/m"} 1',
    'weir_circuit_open{target="up/m"} 0',
  ]) expect(text).toContain(`${line}\n`);
  await expect.poll(metrics).toContain("weir_journal_unconfirmed_attempts 0\n");
});
