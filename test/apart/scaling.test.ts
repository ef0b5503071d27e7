import { afterAll, beforeAll, expect, test } from "vitest";
import type { ApartWeir } from "../harness/apart-weir.ts";
import { linesByModel, startCallers } from "../harness/callers.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

const instances = 3;

let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let stop: () => Promise<number | null>;

beforeAll(async () => {
  upstream = await startPacingProvider();
  const config = `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, logging: { level: error } }`;
  ({ weir, apart, stop } = await startApartWeir(config, { instances: { providers: instances } }));
});
afterAll(async () => {
  await stop?.();
  await upstream?.stop();
});

/** The attempts that an instance of providers was asked for so far. */
async function attemptsOf(instance: number): Promise<number> {
  const metrics = await (await fetch(`${apart.process("providers", instance).adminOrigin}/metrics`)).text();
  return Number(/^weir_attempts_total\{.*\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}

test("providers scaled from one to three under load share the calls; one of them killed, the others take over", { timeout: 120_000 }, async () => {
  const callers = startCallers({ origin: weir.origin, key: weir.inferenceKey, count: 9, restMs: 20 });
  await expect.poll(() => callers.outcomes.length).toBeGreaterThan(50);
  for (let instance = 1; instance < instances; instance++) await apart.start("providers", instance);

  // Each of them is asked for its share of what comes from some moment on, at the latest after 30 s.
  const shares = async (): Promise<number[]> => {
    const all = Array.from({ length: instances }, (_, instance) => instance);
    const before = await Promise.all(all.map(attemptsOf));
    const enough = callers.outcomes.length + 200;
    await expect.poll(() => callers.outcomes.length, { timeout: 20_000 }).toBeGreaterThan(enough);
    const after = await Promise.all(all.map(attemptsOf));
    const counts = all.map((instance) => after[instance]! - before[instance]!);
    const total = counts.reduce((sum, count) => sum + count, 0);
    return counts.map((count) => count / total);
  };
  const isShared = async (): Promise<boolean> => (await shares()).every((share) => share >= 0.2 && share <= 0.45);
  await expect.poll(isShared, { timeout: 30_000 }).toBe(true);
  expect(callers.outcomes.filter(({ isWhole }) => !isWhole)).toEqual([]);

  const inFlight = 9;
  await apart.process("providers", 0).stop("SIGKILL");
  const killedAt = callers.outcomes.length;
  await expect.poll(() => callers.outcomes.length, { timeout: 20_000 }).toBeGreaterThan(killedAt + 300);
  await callers.stop();
  const failed = callers.outcomes.filter(({ isWhole }) => !isWhole);
  expect(failed.length).toBeLessThanOrEqual(inFlight);
  // Nothing is lost that the killed one had not begun; what it had begun is an orphan once its journal is taken over.
  for (const { status } of failed) expect(status).toBe(503);
  await apart.start("providers", 0);
  const served = upstream.requests.map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model);
  await expect.poll(async () => (await linesByModel(weir)).size, { timeout: 20_000 }).toBeGreaterThanOrEqual(served.length);
  const lines = await linesByModel(weir);
  for (const model of served) expect(lines.get(model), model).toHaveLength(1);
});
