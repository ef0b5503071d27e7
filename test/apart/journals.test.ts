import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { JournalState, type Journal } from "#gen/weir/metering/v1/journal_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptResult } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { ApartWeir } from "../harness/apart-weir.ts";
import { callOnce, linesByModel, type Outcome } from "../harness/callers.ts";
import { startPacingProvider } from "../harness/pacing-provider.ts";
import { runWeir } from "../harness/run-weir.ts";
import type { ScriptedProvider } from "../harness/scripted-provider.ts";
import { startApartWeir, type WeirClient } from "../harness/start-weir.ts";

/** A stream that outlives each test. */
const longStream = 600;

let upstream: ScriptedProvider;
let weir: WeirClient;
let apart: ApartWeir;
let dataDirectory: string;
let stop: () => Promise<number | null>;

beforeAll(async () => {
  upstream = await startPacingProvider();
  const config = `{ providers: { up: { vendor: openai, api_key: k, base_url: "${upstream.baseUrl}", models: [m] } }, limits: { lost_journal_after: 12s, drain_timeout: 1s }, logging: { level: warn } }`;
  ({ weir, apart, dataDirectory, stop } = await startApartWeir(config, { instances: { providers: 2 } }));
});
afterAll(async () => {
  await apart?.stop("SIGKILL");
  await stop?.();
  await upstream?.stop();
});

async function journals(): Promise<Journal[]> {
  return (await weir.client(MeteringService).listJournals({})).journals;
}

/** What a command says that talks to this Weir. */
async function said(...words: string[]): Promise<string> {
  return (await runWeir([...words, "--data", dataDirectory])).stdout;
}

/** Begins a stream that does not end; resolves when metering knows that it is open. */
async function beginStream(): Promise<{ readonly outcome: Promise<Outcome>; readonly model: string }> {
  const place = upstream.requests.length;
  const outcome = callOnce(weir.origin, weir.inferenceKey, longStream);
  const { model } = JSON.parse((await upstream.request(place)).body.toString()) as { model: string };
  return { outcome, model };
}

async function openAttempts(): Promise<bigint> {
  return (await journals()).filter(({ state }) => state === JournalState.OPEN).reduce((sum, { openAttempts: count }) => sum + count, 0n);
}

async function resultsOf(model: string): Promise<(AttemptResult | undefined)[]> {
  return ((await linesByModel(weir)).get(model) ?? []).map(({ event }) => event!.outcome!.result);
}

test("what a killed process left is taken over by another one that runs", { timeout: 60_000 }, async () => {
  const { outcome, model } = await beginStream();
  await apart.start("providers", 1);
  await apart.process("providers").stop("SIGKILL");
  await outcome;
  await expect.poll(() => resultsOf(model), { timeout: 20_000 }).toEqual([AttemptResult.ORPHANED]);
  await expect.poll(async () => (await journals()).map(({ state }) => state)).toEqual([JournalState.OPEN, JournalState.CLOSED]);
  // Nothing of it is left.
  const segments = async (instance: string): Promise<string[]> => (await readdir(join(dataDirectory, "instances", instance, "journal"))).filter((name) => name.endsWith(".journal"));
  await expect.poll(() => segments("1")).toEqual([]);
});

test("a disk that is lost with its process leaves orphans, after the bound of silence", { timeout: 60_000 }, async () => {
  const { outcome, model } = await beginStream();
  await expect.poll(openAttempts, { timeout: 10_000 }).toBe(1n);
  await apart.process("providers", 1).stop("SIGKILL");
  await rm(join(dataDirectory, "instances"), { recursive: true });
  await outcome;
  await apart.start("providers");
  await expect.poll(() => resultsOf(model), { timeout: 30_000 }).toEqual([AttemptResult.ORPHANED]);
  expect((await journals()).filter(({ state }) => state === JournalState.LOST)).toMatchObject([{ lostReason: "silent for more than 12 s", openAttempts: 0n }]);
});

test("a journal declared lost under its process stops it; started again, it corrects what was orphaned", { timeout: 60_000 }, async () => {
  const { outcome, model } = await beginStream();
  await expect.poll(openAttempts, { timeout: 10_000 }).toBe(1n);
  const [{ journalId } = { journalId: "" }] = await journals();
  const listed = await said("journal", "list");
  expect(listed).toMatch(new RegExp(`^\\S+/1 +${journalId} +runs +1 +0 +0$`, "m"));
  expect(listed).toMatch(new RegExp(`^${journalId} +\\S+/1 +open .* 1 +1$`, "m"));
  expect(await said("journal", "show", "1")).toMatch(new RegExp(`up/${model} +open$`, "m"));
  expect(await said("journal", "lost", journalId, "--reason", "by hand")).toContain("1 open attempts of it stand in the ledger");
  expect(await resultsOf(model)).toEqual([AttemptResult.ORPHANED]);
  await expect.poll(async () => (await callOnce(weir.origin, weir.inferenceKey)).text, { timeout: 20_000 }).toContain("declared lost");
  expect(apart.process("providers").log().filter(({ level }) => level === "fatal")).toMatchObject([{ journalId }]);
  const readiness = await fetch(`${apart.process("providers").adminOrigin}/readyz`);
  expect([readiness.status, await readiness.text()]).toEqual([503, `waiting for a restart: its journal ${journalId} was declared lost\n`]);

  await apart.process("providers").stop("SIGTERM");
  await outcome;
  expect(await resultsOf(model)).toEqual([AttemptResult.ORPHANED]);
  await apart.start("providers");
  await expect.poll(() => resultsOf(model), { timeout: 20_000 }).toEqual([AttemptResult.CANCELLED]);
  // As soon as the circuit of the target lets a call through.
  await expect.poll(async () => (await callOnce(weir.origin, weir.inferenceKey)).status, { timeout: 20_000, interval: 500 }).toBe(200);
  expect(await readFile(join(dataDirectory, "instances", "1", "journal", "id"), "utf8")).not.toBe(journalId);
});
