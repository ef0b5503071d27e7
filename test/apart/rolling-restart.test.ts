import { afterAll, beforeAll, expect, test } from "vitest";
import type { ApartWeir, Service } from "../harness/apart-weir.ts";
import { linesByModel, startCallers, type Callers } from "../harness/callers.ts";
import { chunkIntervalMs, startPacingProvider } from "../harness/pacing-provider.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { clientOf, startApartWeir } from "../harness/start-weir.ts";

const isFull = process.env["WEIR_TEST_LEVEL"] === "full";
const restarts = isFull ? 10 : 1;
const streamChunks = isFull ? 30_000 / chunkIntervalMs : 3_000 / chunkIntervalMs;

let upstream: ScriptedProvider;
let dataDirectory: string;
let apart: ApartWeir;
let stop: () => Promise<number | null>;

beforeAll(async () => {
  upstream = await startPacingProvider();
  const config = `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, limits: { drain_timeout: 60s }, logging: { level: warn } }`;
  ({ dataDirectory, apart, stop } = await startApartWeir(config, { instances: { metering: 2, policy: 2, providers: 2, routing: 2 } }));
});
afterAll(async () => {
  await stop?.();
  await upstream?.stop();
});

/** A new instance comes, callers turn to it as a load balancer would make them, the old one drains. */
async function replace(service: Service, oldInstance: number, callers: readonly Callers[]): Promise<void> {
  const newInstance = 1 - oldInstance;
  await apart.start(service, newInstance);
  if (service === "routing") for (const each of callers) each.turnTo(apart.originOf(newInstance));
  expect(await apart.process(service, oldInstance).stop("SIGTERM")).toBe(0);
}

test(`each service restarted ${restarts} times under load, with streams open: no stream broken, no request failed`, { timeout: 120_000 + restarts * 90_000 }, async () => {
  const { inferenceKey: key } = await clientOf(dataDirectory);
  const origin = apart.originOf(0);
  const callers = [startCallers({ origin, key, count: 4, restMs: 20 }), startCallers({ origin, key, count: 8, chunks: streamChunks })];
  await expect.poll(() => callers[0]!.outcomes.length).toBeGreaterThan(10);
  for (let restart = 0; restart < restarts; restart++) {
    for (const service of ["metering", "policy"] as const) await replace(service, restart % 2, callers);
    // Both wait for the streams that are open: at the same time, so that the test does not take twice as long.
    await Promise.all((["providers", "routing"] as const).map((service) => replace(service, restart % 2, callers)));
  }
  for (const each of callers) await each.stop();
  const outcomes = callers.flatMap((each) => each.outcomes);
  const causes = apart.processes.flatMap((process) => process.log()).filter(({ msg }) => msg === "request failed").map(({ error }) => JSON.stringify(error));
  expect(outcomes.filter(({ isWhole }) => !isWhole), causes.join("\n")).toEqual([]);
  expect(callers[1]!.outcomes.length).toBeGreaterThanOrEqual(8);
  const weir = await clientOf(dataDirectory);
  await expect.poll(async () => (await linesByModel(weir)).size, { timeout: 20_000 }).toBe(outcomes.length);
});
