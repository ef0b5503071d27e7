import { get } from "node:http";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { linesByModel, startCallers } from "./harness/callers.ts";
import { startPacingProvider } from "./harness/pacing-provider.ts";
import type { ScriptedProvider } from "./harness/scripted-provider.ts";
import { clientOf } from "./harness/start-weir.ts";
import { startWeirProcess, type WeirProcess } from "./harness/weir-process.ts";

let upstream: ScriptedProvider;
let weir: WeirProcess;
let dataDirectory: string;
let configPath: string;

beforeAll(async () => {
  upstream = await startPacingProvider();
  dataDirectory = await mkdtemp(join(tmpdir(), "weir-processes-"));
  configPath = join(dataDirectory, "weir.yaml");
  await writeFile(configPath, `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, logging: { level: error } }`);
  weir = await startWeirProcess({ words: ["--config", configPath, "--data", dataDirectory, "--port", "0", "--processes", "2"], environment: {} });
});
afterAll(async () => {
  await weir?.stop("SIGTERM");
  await upstream?.stop();
  await rm(dataDirectory, { recursive: true, force: true });
});

test("weir serve --processes 2: both share the work, one that is killed is replaced, and the ledger has each attempt once", { timeout: 60_000 }, async () => {
  const client = await clientOf(dataDirectory);
  const requestsSoFar = async (): Promise<number> => {
    const metrics = await (await fetch(`${weir.adminOrigin}/metrics`)).text();
    return [...metrics.matchAll(/^weir_attempts_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const workers = (await readdir(join(dataDirectory, "instances"))).length;
  expect(workers).toBe(2);
  const callers = startCallers({ origin: client.origin, key: client.inferenceKey, count: 8 });
  await expect.poll(() => callers.outcomes.length).toBeGreaterThan(100);
  // The metrics are those of all processes.
  expect(await requestsSoFar()).toBeGreaterThan(80);

  const [victim] = await childrenOf(weir.pid);
  // One that stands still takes no new connection; those that it has end with it.
  process.kill(victim!, "SIGSTOP");
  const statuses = await Promise.all(Array.from({ length: 16 }, () => statusOnNewConnection(client.origin, client.inferenceKey)));
  expect(new Set(statuses)).toEqual(new Set([200]));
  process.kill(victim!, "SIGKILL");
  await expect.poll(async () => (await fetch(`${weir.adminOrigin}/readyz`)).status, { timeout: 10_000, interval: 5 }).toBe(503);
  await expect.poll(async () => (await fetch(`${weir.adminOrigin}/readyz`)).status, { timeout: 20_000, interval: 50 }).toBe(200);
  await callers.stop();
  const served = new Set(upstream.requests.map(({ body }) => (JSON.parse(body.toString()) as { model: string }).model));
  await expect.poll(async () => [...(await linesByModel(client)).keys()].filter((model) => served.has(model)).length, { timeout: 20_000 }).toBe(served.size);
  const lines = await linesByModel(client);
  for (const model of served) expect(lines.get(model), model).toHaveLength(1);
  // Only those whose process died got no answer.
  expect(callers.outcomes.filter(({ isWhole }) => !isWhole).length).toBeLessThanOrEqual(8);
});

test("metrics are told though a process stands still, and never go back when one dies", { timeout: 60_000 }, async () => {
  const client = await clientOf(dataDirectory);
  const requests = async (): Promise<number> => {
    const response = await fetch(`${weir.adminOrigin}/metrics`);
    expect(response.status).toBe(200);
    return [...(await response.text()).matchAll(/^weir_requests_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  await Promise.all(Array.from({ length: 16 }, () => statusOnNewConnection(client.origin, client.inferenceKey)));
  const before = await requests();
  const [victim] = await childrenOf(weir.pid);
  process.kill(victim!, "SIGSTOP");
  expect(await requests()).toBe(before);
  process.kill(victim!, "SIGKILL");
  await expect.poll(async () => (await fetch(`${weir.adminOrigin}/readyz`)).status, { timeout: 10_000, interval: 5 }).toBe(503);
  expect(await requests()).toBe(before);
  await expect.poll(async () => (await fetch(`${weir.adminOrigin}/readyz`)).status, { timeout: 20_000, interval: 50 }).toBe(200);
  expect(await requests()).toBe(before);
});

test("one that dies while weir.yaml cannot be used is replaced when it can", { timeout: 60_000 }, async () => {
  const sound = await readFile(configPath, "utf8");
  await writeFile(configPath, "{ nonsense: 1 }");
  const [victim] = await childrenOf(weir.pid);
  process.kill(victim!, "SIGKILL");
  await expect.poll(() => weir.log().some(({ msg }) => msg === "a process of Weir could not be replaced; trying again"), { timeout: 20_000 }).toBe(true);
  await writeFile(configPath, sound);
  await expect.poll(async () => (await fetch(`${weir.adminOrigin}/readyz`)).status, { timeout: 30_000 }).toBe(200);
});

test("one that takes a dead one's place listens where the others do, whatever weir.yaml says by now", { timeout: 60_000 }, async () => {
  const { origin } = await clientOf(dataDirectory);
  await writeFile(configPath, (await readFile(configPath, "utf8")).replace("{ providers", '{ listen: { address: "127.0.0.2" }, providers'));
  const [victim] = await childrenOf(weir.pid);
  process.kill(victim!, "SIGKILL");
  await expect.poll(async () => (await fetch(`${weir.adminOrigin}/readyz`)).status, { timeout: 10_000, interval: 5 }).toBe(503);
  await expect.poll(async () => (await fetch(`${weir.adminOrigin}/readyz`)).status, { timeout: 30_000 }).toBe(200);
  expect((await clientOf(dataDirectory)).origin).toBe(origin);
  expect(await weir.stop("SIGTERM")).toBe(0);
});

function statusOnNewConnection(origin: string, key: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = get(`${origin}/v1/models`, { agent: false, headers: { authorization: `Bearer ${key}` }, signal: AbortSignal.timeout(5_000) }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.once("error", reject);
  });
}

/** The workers of the process, by what they run. */
async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const children = text.trim().split(" ").map(Number);
  const commands = await Promise.all(children.map(async (child) => ({ child, command: await readFile(`/proc/${child}/cmdline`, "utf8") })));
  return commands.filter(({ command }) => /weir\.js|command\.cjs/.test(command)).map(({ child }) => child);
}
