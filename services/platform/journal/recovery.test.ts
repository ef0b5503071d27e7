/** Owns the test of a case that power failures seldom hit: compaction that was cut short between a begin and its settlement. */
import { pino } from "pino";
import { expect, test } from "vitest";
import { Group } from "./group.ts";
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
