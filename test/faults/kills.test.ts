/**
 * Owns the proof that the ledger has every served attempt once, whatever is killed or stopped when. The seed decides what is done, and in
 * which order; it is printed, and WEIR_SEED takes it again.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { services, type Service } from "../harness/apart-weir.ts";
import { seededRandom } from "../harness/random.ts";
import { seed } from "../harness/seed.ts";
import { proveLedger } from "./ledger-proof.ts";
import { natsProgram, openProvingGround, type ProvingGround } from "./proving-ground.ts";
import { startSteadyLoad } from "./steady-load.ts";

type Victim = Service | "nats-server" | "postgres";

const level = process.env["WEIR_TEST_LEVEL"];
const requestsPerSecond = 100;
const victims: readonly Victim[] = [...services, "postgres", ...(natsProgram === undefined ? [] : (["nats-server"] as const))];
const kills = level === "faults" ? 50 * victims.length : level === "full" ? 20 : 4;

let ground: ProvingGround;

beforeAll(async () => {
  ground = await openProvingGround();
}, 120_000);
afterAll(async () => {
  await ground?.stop();
});

test(`${kills} kills and stops under ${requestsPerSecond} requests a second, seed ${seed}: each served attempt stands once`, { timeout: level === "faults" ? 5_400_000 : 400_000 }, async () => {
  console.log(`WEIR_SEED=${seed}`);
  const random = seededRandom(seed);
  const load = startSteadyLoad({ origin: ground.weir.origin, key: ground.weir.inferenceKey, requestsPerSecond, model: "m", random: seededRandom(seed + 1) });
  await load.answers(50);
  let providersKills = 0;
  for (let kill = 0; kill < kills; kill++) {
    // Each in turn, so that all are hit; how, and when, is chance.
    const victim = victims[kill % victims.length]!;
    const isKill = random() < 0.6;
    const forMs = Math.floor(random() * 1_000);
    await pause(Math.floor(random() * 700));
    if (isKill && victim === "providers") providersKills++;
    await (isKill ? killAndStart(victim, forMs) : stopAndContinue(victim, forMs));
  }
  // All is well again before the load ends.
  await load.answers(200);
  const { asked, seconds, mostAtOnce } = await load.stop();

  // What NATS had handed to a metering that died comes again when the time to acknowledge it is over, after 30 s.
  const { served, lines, orphans, unserved } = await proveLedger(ground, { model: "m", patienceMs: 180_000 });
  expect(orphans).toBeLessThanOrEqual(mostAtOnce * providersKills);
  console.log(`${asked} requests in ${seconds.toFixed(0)} s, ${served} served, ${lines} lines, ${orphans} orphaned, ${unserved} never served; ${providersKills} kills of providers`);
});

async function killAndStart(victim: Victim, downMs: number): Promise<void> {
  if (victim === "postgres") {
    await postgresForgives();
    const killed = await ground.postgres.postmaster();
    process.kill(killed, "SIGKILL");
    // Whoever started it starts it again.
    await expect.poll(() => ground.postgres.postmaster().catch(() => killed), { timeout: 75_000 }).not.toBe(killed);
  } else if (victim === "nats-server") {
    await ground.nats!.kill();
    await pause(downMs);
    await ground.nats!.start();
  } else {
    await ground.apart.process(victim).stop("SIGKILL");
    await pause(downMs);
    await ground.apart.start(victim);
  }
}

/** Whoever keeps PostgreSQL running gives it up when it dies for the sixth time in a minute, counted from when a death is noticed. */
async function postgresForgives(): Promise<void> {
  const fifthLastMs = postgresKillsMs.at(-5) ?? -Infinity;
  await pause(Math.max(0, fifthLastMs + 65_000 - performance.now()));
  postgresKillsMs.push(performance.now());
}

const postgresKillsMs: number[] = [];

async function stopAndContinue(victim: Victim, stoppedMs: number): Promise<void> {
  const pid = victim === "postgres" ? await ground.postgres.postmaster() : victim === "nats-server" ? ground.nats!.pid! : ground.apart.process(victim).pid;
  process.kill(pid, "SIGSTOP");
  await pause(stoppedMs);
  process.kill(pid, "SIGCONT");
}
