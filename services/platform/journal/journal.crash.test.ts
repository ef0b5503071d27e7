/**
 * Owns the proof that the journal keeps what it acknowledged, and acknowledges nothing too early: simulated power failures at any
 * operation, in a row.
 * To replay a failing run, pass the `seed` and `path` that fast-check prints to `fc.assert` below.
 */
import fc from "fast-check";
import { pino } from "pino";
import { expect, test } from "vitest";
import type { GatewayError } from "../errors.ts";
import { Journal, minimumJournalBytes, type RecoveredRecords } from "./journal.ts";
import { maximumCheckpointBytes } from "./record.ts";
import { seededRandom, SimulatedDisk, type Random } from "./simulated-disk.ts";

const directory = "/journal";

/** What the caller knows of an entry. */
interface Known {
  readonly beginPayload: Buffer;
  settlePayload?: Buffer;
  readonly checkpoints: Buffer[];
  beginAcknowledged: boolean;
  settleAcknowledged: boolean;
  confirmed: boolean;
}

const runs: Readonly<Record<string, number>> = { full: 5_000, faults: 10_000 };

test("a power failure loses nothing acknowledged, invents nothing, and keeps the bound", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 3 }), async (seed, failures) => {
      const random = seededRandom(seed);
      const known = new Map<string, Known>();
      const violations: string[] = [];
      let disk = new SimulatedDisk(random, failures[0]!);
      for (const [index] of failures.entries()) {
        await Promise.race([live(disk, known, random, violations), disk.powerFailed]);
        disk.failPower();
        expect(violations).toEqual([]);
        expect(disk.peakBytes).toBeLessThanOrEqual(minimumJournalBytes);
        disk = disk.restart(failures[index + 1] ?? Infinity);
      }
      const { recovered } = await openJournal(disk, violations);
      compare(recovered, known, violations);
      // Recovering is not allowed to change what there is to recover.
      disk.failPower();
      const again = await openJournal(disk.restart(Infinity), violations);
      expect(listIds(again.recovered)).toEqual(listIds(recovered));
      await again.journal.close();
      expect(violations).toEqual([]);
    }),
    { numRuns: runs[process.env["WEIR_TEST_LEVEL"] ?? ""] ?? 500 },
  );
}, 1_200_000);

/** One life of a process: opens the journal, checks what it finds, and works until the power fails or all is said. */
async function live(disk: SimulatedDisk, known: Map<string, Known>, random: Random, violations: string[]): Promise<void> {
  const { journal, recovered } = await openJournal(disk, violations);
  compare(recovered, known, violations);
  const payload = (): Buffer => Buffer.alloc(Math.floor(random() ** 4 * 8_192), Math.floor(random() * 256));
  // What was begun by an earlier life and is not there was never acknowledged.
  const found = new Set([...recovered.begun, ...recovered.settled].map(({ id }) => id));
  for (const id of known.keys()) if (!found.has(id)) known.delete(id);
  for (const [id, entry] of known) {
    entry.confirmed = false;
    entry.beginAcknowledged = true;
    const settled = recovered.settled.find((record) => record.id === id);
    entry.settleAcknowledged = settled !== undefined;
    if (settled === undefined) delete entry.settlePayload;
  }
  const confirmShare = random();
  for (let step = 0; step < 120 && disk.hasPower; step++) {
    const open = [...known].filter(([, entry]) => entry.settlePayload === undefined && !entry.confirmed);
    const settled = [...known].filter(([, entry]) => entry.settlePayload !== undefined && !entry.confirmed);
    const choice = random();
    if (choice < 0.4) begin(journal, disk, known, payload(), violations);
    else if (choice < 0.5 && open.length > 0) note(journal, ...open[Math.floor(random() * open.length)]!, payload().subarray(0, maximumCheckpointBytes));
    // The oldest ones are left open now and then, so that compaction has something to move.
    else if (choice < 0.8 && open.length > 0) settle(journal, ...open[Math.floor(Math.sqrt(random()) * open.length)]!, payload(), violations);
    else if (random() < confirmShare) {
      const ids = settled.filter(() => random() < 0.7).map(([id]) => id);
      for (const id of ids) known.get(id)!.confirmed = true;
      journal.confirm(ids);
    }
    if (random() < 0.3) await new Promise(setImmediate);
  }
  await journal.close();
}

let lastId = 0;

/** A begin that is acknowledged is a vendor that is called. */
function begin(journal: Journal, disk: SimulatedDisk, known: Map<string, Known>, payload: Buffer, violations: string[]): void {
  const id = `att_${++lastId}`;
  const entry: Known = { beginPayload: payload, checkpoints: [], beginAcknowledged: false, settleAcknowledged: false, confirmed: false };
  known.set(id, entry);
  journal.begin(id, payload).then(
    () => {
      entry.beginAcknowledged = true;
      if (!disk.isDurable(id)) violations.push(`a vendor would be called for ${id} before its intent is durable`);
    },
    (error: GatewayError) => {
      if (error.reason !== "JOURNAL_FULL") violations.push(String(error));
      known.delete(id);
    },
  );
}

function note(journal: Journal, id: string, entry: Known, payload: Buffer): void {
  if (journal.checkpoint(id, payload)) entry.checkpoints.push(payload);
}

function settle(journal: Journal, id: string, entry: Known, payload: Buffer, violations: string[]): void {
  entry.settlePayload = payload;
  journal.settle(id, payload).then(
    () => (entry.settleAcknowledged = true),
    // The begin was refused a moment ago, which shows only now.
    (error: GatewayError) => void (error.message.includes("not begun") || violations.push(String(error))),
  );
}

function compare(recovered: RecoveredRecords, known: ReadonlyMap<string, Known>, violations: string[]): void {
  const begun = new Map(recovered.begun.map((record) => [record.id, record]));
  const settled = new Map(recovered.settled.map((record) => [record.id, record]));
  for (const [id, entry] of known) {
    if (entry.confirmed) {
      if (entry.settleAcknowledged && begun.has(id)) violations.push(`${id} came back without its settlement`);
    } else {
      if (entry.beginAcknowledged && !begun.has(id) && !settled.has(id)) violations.push(`${id} is lost`);
      if (entry.settleAcknowledged && !settled.has(id)) violations.push(`the settlement of ${id} is lost`);
    }
  }
  for (const { id, payload, checkpoint } of recovered.begun) {
    if (checkpoint !== undefined && !known.get(id)?.checkpoints.some((noted) => noted.equals(checkpoint))) violations.push(`${id} was never noted so`);
    if (!known.get(id)?.beginPayload.equals(payload)) violations.push(`${id} was never begun so`);
  }
  for (const { id, beginPayload, settlePayload } of recovered.settled) {
    if (!known.get(id)?.beginPayload.equals(beginPayload)) violations.push(`${id} was never begun so`);
    if (!known.get(id)?.settlePayload?.equals(settlePayload)) violations.push(`${id} was never settled so`);
  }
}

function listIds({ begun, settled }: RecoveredRecords): unknown {
  return { begun: begun.map(({ id }) => id).sort(), settled: settled.map(({ id }) => id).sort() };
}

async function openJournal(disk: SimulatedDisk, violations: string[]): Promise<{ journal: Journal; recovered: RecoveredRecords }> {
  return Journal.open({
    directory,
    maximumBytes: minimumJournalBytes,
    disk,
    lock: () => ({ release: () => {} }),
    newId: () => "jrn_1",
    // Whatever the disk loses in a power failure is no corruption.
    logger: pino({ level: "error" }, { write: (line: string) => void violations.push(line) }),
    onBroken: (error) => void violations.push(String((error.cause as Error).stack)),
  });
}
