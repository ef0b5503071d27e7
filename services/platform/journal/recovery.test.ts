/** Owns the tests of recovery that power failures seldom hit or say nothing of: compaction that was cut short between a begin and its settlement, and the time it takes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { lockDirectory } from "../directory-lock.ts";
import { realDisk } from "./disk.ts";
import { Group } from "./group.ts";
import { Journal } from "./journal.ts";
import { encodeSegmentHeader, recordType, segmentHeaderBytes } from "./record.ts";
import { recover, segmentFileName } from "./recovery.ts";
import { seededRandom, SimulatedDisk } from "./simulated-disk.ts";

test("the first begin stands, with its settlement, when only the begin's copy was written", async () => {
  const disk = new SimulatedDisk(seededRandom(1), Infinity);
  const file = await disk.create(`/journal/${segmentFileName(1)}`, 4096);
  const group = new Group(1, segmentHeaderBytes, undefined);
  group.append(recordType.begin, "a", 1, Buffer.from("begun"));
  group.append(recordType.settle, "a", 1, Buffer.from("settled"));
  const copyOffset = group.endOffset;
  group.append(recordType.begin, "a", 1, Buffer.from("begun"));
  file.write(encodeSegmentHeader(1), 0);
  file.write(group.bytes, group.offset);
  const { entries } = await recover(disk, "/journal", pino({ level: "silent" }));
  expect(entries.get("a")?.begin.offset).toBeLessThan(copyOffset);
  expect(entries.get("a")?.settlePayload).toEqual(Buffer.from("settled"));
});

test("100,000 records are recovered within two seconds", { timeout: 120_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "weir-recovery-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const logger = pino({ level: "silent" });
  const options = { directory, maximumBytes: 256 * 1024 * 1024, disk: realDisk, lock: lockDirectory, newId: () => "jrn_1", logger, onBroken: () => undefined };
  const { journal } = await Journal.open(options);
  const payload = Buffer.alloc(300, 7);
  for (let first = 0; first < 50_000; first += 1_000) {
    const ids = Array.from({ length: 1_000 }, (_, index) => `att_01m7yw49vx53rnrtrm9${first + index}`);
    await Promise.all(ids.map((id) => journal.begin(id, payload)));
    await Promise.all(ids.map((id) => journal.settle(id, payload)));
  }
  await journal.close();
  // The processor's time: whoever else works on this machine is no fault of the journal.
  const [beginMs, begin] = [performance.now(), process.cpuUsage()];
  const { journal: reopened, recovered } = await Journal.open(options);
  const { user, system } = process.cpuUsage(begin);
  const figures = { recovered: recovered.settled.length, processorMs: Math.round((user + system) / 1_000), elapsedMs: Math.round(performance.now() - beginMs) };
  console.log(`100,000 records recovered: ${figures.elapsedMs} ms, ${figures.processorMs} ms of the processor`);
  await reopened.close();
  expect(figures).toMatchObject({ recovered: 50_000 });
  expect(figures.processorMs).toBeLessThan(2_000);
});
