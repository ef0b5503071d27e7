/** Owns the process that the kill test kills: it works on a journal (its argument) and says on standard output what was acknowledged. */
import { writeSync } from "node:fs";
import { pino } from "pino";
import { lockDirectory } from "../directory-lock.ts";
import { realDisk } from "./disk.ts";
import { Journal, minimumJournalBytes } from "./journal.ts";

const { journal } = await Journal.open({
  directory: process.argv[2]!,
  maximumBytes: 4 * minimumJournalBytes,
  disk: realDisk,
  lock: lockDirectory,
  newId: () => "jrn_1",
  logger: pino({ level: "silent" }),
  onBroken: (error) => {
    throw error;
  },
});

let lastNumber = 0;
await Promise.all(Array.from({ length: 32 }, work));

async function work(): Promise<never> {
  for (;;) {
    const id = `${process.pid}-${++lastNumber}`;
    const payload = Buffer.alloc(300, id);
    await journal.begin(id, payload);
    writeSync(1, `begun ${id}\n`);
    // One in eight stays open, until the journal would be full.
    if (lastNumber % 8 === 0 && journal.usage.reservedBytes < minimumJournalBytes) continue;
    await journal.settle(id, payload);
    writeSync(1, `settled ${id}\n`);
    if (lastNumber % 2 === 0 && journal.usage.liveBytes < minimumJournalBytes / 2) continue;
    writeSync(1, `confirmed ${id}\n`);
    journal.confirm([id]);
  }
}
