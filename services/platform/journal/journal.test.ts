/** Owns the tests of the journal's behaviour apart from crashes: its bound, compaction, damage, a failing disk, closing. */
import { pino } from "pino";
import { expect, test } from "vitest";
import { GatewayError } from "../errors.ts";
import { Journal, minimumJournalBytes, type RecoveredRecords } from "./journal.ts";
import { maximumBeginBytes, maximumSettlementBytes, segmentHeaderBytes } from "./record.ts";
import { seededRandom, SimulatedDisk } from "./simulated-disk.ts";

const directory = "/journal";

interface Opened {
  readonly journal: Journal;
  readonly recovered: RecoveredRecords;
  readonly logged: readonly { readonly level: number; readonly file?: string; readonly offset?: number; readonly id?: string }[];
  readonly broken: readonly GatewayError[];
}

async function open(disk: SimulatedDisk): Promise<Opened> {
  const logged: { level: number }[] = [];
  const broken: GatewayError[] = [];
  const { journal, recovered } = await Journal.open({
    directory,
    maximumBytes: minimumJournalBytes,
    disk,
    lock: () => ({ release: () => {} }),
    newId: () => "jrn_1",
    logger: pino({}, { write: (line: string) => void logged.push(JSON.parse(line)) }),
    onBroken: (error) => void broken.push(error),
  });
  return { journal, recovered, logged, broken };
}

function createDisk(): SimulatedDisk {
  return new SimulatedDisk(seededRandom(1), Infinity);
}

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  return error instanceof GatewayError ? error.reason : String(error);
}

test("a full journal refuses to begin, settles all the same, and takes more when it is confirmed", async () => {
  const disk = createDisk();
  const { journal } = await open(disk);
  const ids: string[] = [];
  for (let reason = "undefined"; reason === "undefined"; ) {
    const id = `a${ids.length}`;
    reason = await reasonOf(journal.begin(id, Buffer.alloc(1_000)));
    if (reason === "undefined") ids.push(id);
    else expect(reason).toBe("JOURNAL_FULL");
  }
  expect(ids.length).toBeGreaterThan(30);
  for (const id of ids) await journal.settle(id, Buffer.alloc(maximumSettlementBytes));
  expect(await reasonOf(journal.begin("more", Buffer.alloc(maximumBeginBytes)))).toBe("JOURNAL_FULL");
  journal.confirm(ids);
  // The segments that this frees go without further ado.
  await expect.poll(() => journal.usage.diskBytes).toBeLessThan(minimumJournalBytes / 4);
  expect(await reasonOf(journal.begin("more", Buffer.alloc(maximumBeginBytes)))).toBe("undefined");
  expect(disk.peakBytes).toBeLessThanOrEqual(minimumJournalBytes);
});

test("entries that stay open long are moved on, so that old segments can go", async () => {
  const disk = createDisk();
  const { journal } = await open(disk);
  for (let index = 0; index < 20; index++) await journal.begin(`long${index}`, Buffer.from(`payload ${index}`));
  await journal.settle("long7", Buffer.from("settled 7"));
  for (let index = 0; index < 2_000; index++) {
    await journal.begin(`short${index}`, Buffer.alloc(2_000));
    await journal.settle(`short${index}`, Buffer.alloc(1_000));
    journal.confirm([`short${index}`]);
    // Each in place of the one before.
    expect(journal.checkpoint("long9", Buffer.from(`at ${index}`))).toBe(true);
  }
  expect(journal.checkpoint("long7", Buffer.of())).toBe(false);
  expect(disk.peakBytes).toBeLessThanOrEqual(minimumJournalBytes / 2);
  expect(await journal.read(["long7", "long8", "unknown"])).toEqual([{ id: "long7", beginPayload: Buffer.from("payload 7"), settlePayload: Buffer.from("settled 7") }]);
  await journal.close();
  const { recovered, logged } = await open(disk);
  expect(recovered.begun).toHaveLength(19);
  expect(recovered.begun[8]).toEqual({ id: "long9", payload: Buffer.from("payload 9"), checkpoint: Buffer.from("at 1999") });
  expect(recovered.begun[7]!.checkpoint).toBeUndefined();
  expect(recovered.settled).toHaveLength(1);
  expect(logged).toEqual([]);
});

test("a damaged record is reported with its place, the rest is read, and the file is kept aside", async () => {
  const disk = createDisk();
  const { journal } = await open(disk);
  for (const id of ["a", "b", "c"]) await journal.begin(id, Buffer.alloc(100, 1));
  await journal.settle("b", Buffer.from("settled"));
  await journal.close();
  const file = `${directory}/0000000001.journal`;
  const secondRecord = segmentHeaderBytes + 115;
  disk.flipByte(file, secondRecord + 50);
  const { journal: reopened, recovered, logged } = await open(disk);
  expect(recovered.begun.map(({ id }) => id)).toEqual(["a", "c"]);
  expect(logged).toEqual([
    expect.objectContaining({ level: 50, file, offset: secondRecord }),
    expect.objectContaining({ level: 50, id: "b" }),
  ]);
  expect(await disk.list(directory)).toContain("0000000001.journal.corrupt");
  await reopened.close();
  const again = await open(disk);
  expect(again.recovered.begun.map(({ id }) => id)).toEqual(["a", "c"]);
  expect(again.logged).toEqual([]);
});

test("a payload that holds the bytes of a record does not pass for one", async () => {
  const disk = createDisk();
  const { journal } = await open(disk);
  await journal.begin("inner", Buffer.from("forged"));
  const forged = (await disk.read(`${directory}/0000000001.journal`)).subarray(segmentHeaderBytes, 200);
  await journal.begin("outer", forged);
  await journal.begin("last", Buffer.of());
  await journal.close();
  disk.flipByte(`${directory}/0000000001.journal`, segmentHeaderBytes + 14 + 5 + 6 + 4);
  const { recovered } = await open(disk);
  expect(recovered.begun.map(({ id }) => id)).toEqual(["inner", "last"]);
});

test("after a failed sync nothing is begun or settled any more", async () => {
  const disk = createDisk();
  const { journal, broken } = await open(disk);
  await journal.begin("a", Buffer.of());
  let syncs = 0;
  disk.onSync = () => {
    syncs++;
    throw new Error("input/output error");
  };
  const failed = [journal.begin("b", Buffer.of()), journal.settle("a", Buffer.of())];
  for (const promise of failed) expect(await reasonOf(promise)).toBe("DEPENDENCY_UNAVAILABLE");
  disk.onSync = () => void syncs++;
  expect(await reasonOf(journal.begin("c", Buffer.of()))).toBe("DEPENDENCY_UNAVAILABLE");
  journal.confirm(["a"]);
  await journal.close();
  expect(syncs).toBe(1);
  expect(broken).toEqual([journal.failure]);
});

test("what breaks the rules is refused, and nothing of it is kept", async () => {
  const disk = createDisk();
  const { journal } = await open(disk);
  await journal.begin("a", Buffer.of());
  expect(await reasonOf(journal.begin("a", Buffer.of()))).toBe("ALREADY_EXISTS");
  expect(await reasonOf(journal.begin("b", Buffer.alloc(maximumBeginBytes + 1)))).toBe("INTERNAL");
  expect(await reasonOf(journal.settle("b", Buffer.of()))).toBe("INTERNAL");
  expect(await reasonOf(journal.settle("a", Buffer.alloc(maximumSettlementBytes + 1)))).toBe("INTERNAL");
  await journal.settle("a", Buffer.of());
  expect(await reasonOf(journal.settle("a", Buffer.of()))).toBe("INTERNAL");
  journal.confirm(["a", "unknown"]);
  expect(journal.usage).toMatchObject({ entries: 0, liveBytes: 0, reservedBytes: 0 });
  await journal.close();
  expect(await reasonOf(journal.begin("c", Buffer.of()))).toBe("SHUTTING_DOWN");
  expect(await disk.list(directory)).toEqual([]);
});
