/** Proves that looking into a journal shows what is open and what is damaged, and changes nothing. */
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { lockDirectory } from "../directory-lock.ts";
import { realDisk } from "./disk.ts";
import { inspectJournal } from "./inspect.ts";
import { Journal, minimumJournalBytes } from "./journal.ts";
import { segmentHeaderBytes } from "./record.ts";

async function contentOf(directory: string): Promise<unknown> {
  const names = (await readdir(directory)).sort();
  return Promise.all(names.map(async (name) => [name, (await readFile(join(directory, name))).toString("base64")]));
}

test("a journal is shown as it is while it is written, damage with its place, and nothing is changed", async () => {
  const directory = await mkdtemp(join(tmpdir(), "weir-inspect-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const { journal } = await Journal.open({ directory, maximumBytes: minimumJournalBytes, disk: realDisk, lock: lockDirectory, newId: () => "jrn_1", logger: pino({ level: "silent" }), onBroken: () => undefined });
  onTestFinished(() => journal.close());
  for (const id of ["a", "b", "c"]) await journal.begin(id, Buffer.alloc(100, 1));
  await journal.settle("b", Buffer.from("settled"));
  const intact = await inspectJournal(directory);
  expect(intact).toMatchObject({ id: "jrn_1", damages: [], lostBegins: [], underWay: undefined });
  expect(intact.entries.map(({ id, settlePayload }) => [id, settlePayload !== undefined])).toEqual([["a", false], ["b", true], ["c", false]]);

  const file = join(directory, "0000000001.journal");
  const secondRecord = segmentHeaderBytes + 115;
  const handle = await open(file, "r+");
  await handle.write(Buffer.of(0xff), 0, 1, secondRecord + 50);
  await handle.close();
  const before = await contentOf(directory);
  const damaged = await inspectJournal(directory);
  expect(damaged).toMatchObject({ damages: [{ file, offset: secondRecord }], lostBegins: [{ attemptId: "b", file }] });
  expect(damaged.entries.map(({ id }) => id)).toEqual(["a", "c"]);
  expect(await contentOf(directory)).toEqual(before);
});
