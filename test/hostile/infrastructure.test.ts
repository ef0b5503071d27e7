/** Owns the proof of what a running Weir does when what it stands on goes, or is changed under a stream. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { callOnce, linesByModel, startCallers } from "../harness/callers.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import { postmasterOf } from "../harness/postmaster.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const providerAt = (baseUrl: string, name = "up"): string => `providers: { ${name}: { vendor: openai, api_key: k, base_url: "${baseUrl}", models: [m] } }\nlogging: { level: error }\n`;

async function start(extraConfig = ""): Promise<{ weir: Weir; upstream: Awaited<ReturnType<typeof startPacingProvider>> }> {
  const upstream = await startPacingProvider();
  cleanups.push(() => upstream.stop());
  const weir = await startWeir({ config: providerAt(upstream.baseUrl) + extraConfig });
  cleanups.push(() => weir.stop());
  return { weir, upstream };
}

function postmasterOfWeir(weir: Weir): Promise<number> {
  return postmasterOf(join(weir.dataDirectory, "postgres", "cluster"));
}

test("PostgreSQL is killed under load: no request fails, each attempt stands once", { timeout: 60_000 }, async () => {
  const { weir, upstream } = await start();
  const callers = startCallers({ origin: weir.origin, key: weir.inferenceKey, count: 10 });
  await expect.poll(() => callers.outcomes.length).toBeGreaterThan(100);
  const killed = await postmasterOfWeir(weir);
  process.kill(killed, "SIGKILL");
  await expect.poll(() => postmasterOfWeir(weir).catch(() => killed), { timeout: 20_000 }).not.toBe(killed);
  const soFar = callers.outcomes.length;
  await expect.poll(() => callers.outcomes.length).toBeGreaterThan(soFar + 100);
  await callers.stop();
  expect(callers.outcomes.filter(({ isWhole }) => !isWhole)).toEqual([]);
  await expect.poll(async () => (await linesByModel(weir)).size, { timeout: 20_000 }).toBe(upstream.requests.length);
  for (const [model, lines] of await linesByModel(weir)) expect(lines, model).toHaveLength(1);
});

test("the journal is full: calls are refused before the vendor sees them, and go on when the ledger is back", { timeout: 60_000 }, async () => {
  const { weir, upstream } = await start("limits: { max_journal_bytes: 1048576 }\n");
  const postmaster = await postmasterOfWeir(weir);
  process.kill(postmaster, "SIGKILL");
  // The database stays away: whoever starts it anew is stopped at once.
  let isHeldDown = true;
  const hold = async (): Promise<void> => {
    while (isHeldDown) {
      // None may be there, or gone again.
      await postmasterOfWeir(weir).then((pid) => pid !== postmaster && process.kill(pid, "SIGSTOP")).catch(() => undefined);
      await pause(5);
    }
  };
  const held = hold();
  const letGo = (): Promise<void> => {
    isHeldDown = false;
    return held;
  };
  cleanups.push(letGo);
  const callers = startCallers({ origin: weir.origin, key: weir.inferenceKey, count: 20 });
  await expect.poll(() => callers.outcomes.at(-1)?.status, { timeout: 40_000 }).toBe(503);
  await callers.stop();
  const refusals = callers.outcomes.filter(({ isWhole }) => !isWhole);
  for (const { status, text } of refusals) expect([status, (JSON.parse(text) as { error: { code: string } }).error.code]).toEqual([503, "journal_full"]);
  expect(upstream.requests.length).toBe(callers.outcomes.length - refusals.length);

  await letGo();
  process.kill(await postmasterOfWeir(weir), "SIGCONT");
  await expect.poll(async () => (await callOnce(weir.origin, weir.inferenceKey)).status, { timeout: 30_000 }).toBe(200);
  await expect.poll(async () => (await linesByModel(weir)).size, { timeout: 20_000 }).toBe(upstream.requests.length);
});

test("a key is revoked during its stream: the stream is cut, the next call is refused within a second", { timeout: 30_000 }, async () => {
  const { weir } = await start();
  const policy = weir.client(PolicyService);
  const [team] = (await policy.listTeams({})).teams;
  const { key, secret } = await policy.createKey({ teamId: team!.id, name: "short-lived", role: Role.INFERENCE, requestId: "req_create" });
  const stream = callOnce(weir.origin, secret, 20);
  await expect.poll(async () => (await callOnce(weir.origin, secret)).status).toBe(200);
  await policy.revokeKey({ keyId: key!.id, requestId: "req_revoke" });
  await expect.poll(async () => (await callOnce(weir.origin, secret)).status, { timeout: 1_000, interval: 20 }).toBe(401);
  const cut = await stream;
  expect(cut.isWhole).toBe(false);
  expect(cut.text).toContain("The key was revoked");
});

test("the provider of a stream is removed from the configuration: the stream goes on, the next call finds no such model", { timeout: 30_000 }, async () => {
  const { weir, upstream } = await start();
  const stream = callOnce(weir.origin, weir.inferenceKey, 40);
  await upstream.request(0);
  await writeFile(`${weir.configPath}.new`, providerAt(upstream.baseUrl, "other"));
  await rename(`${weir.configPath}.new`, weir.configPath);
  await expect.poll(async () => (await callOnce(weir.origin, weir.inferenceKey)).status, { timeout: 10_000 }).toBe(404);
  const { isWhole, model } = await stream;
  expect(isWhole).toBe(true);
  await expect.poll(async () => (await linesByModel(weir)).get(model.slice("up/".length))?.map(({ event }) => event!.outcome!.result), { timeout: 10_000 }).toEqual([AttemptResult.SUCCEEDED]);
});
