/** Owns the proof on a real disk: a killed process leaves everything that it had acknowledged. */
import { spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { expect, test } from "vitest";
import { lockDirectory } from "../directory-lock.ts";
import { realDisk } from "./disk.ts";
import { Journal, minimumJournalBytes } from "./journal.ts";

test("a killed process leaves everything that it had acknowledged", { timeout: 30_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), "weir-journal-"));
  const acknowledged = { begun: new Set<string>(), settled: new Set<string>(), confirmed: new Set<string>() };
  for (const outputBytes of [1_000, 100_000, 300_000]) {
    await workAndKill(directory, outputBytes, acknowledged);
    const errors: string[] = [];
    const { journal, recovered } = await Journal.open({
      directory,
      maximumBytes: 4 * minimumJournalBytes,
      disk: realDisk,
      lock: lockDirectory,
      newId: () => "jrn_1",
      logger: pino({ level: "error" }, { write: (line: string) => void errors.push(line) }),
      onBroken: (error) => void errors.push(String(error.cause)),
    });
    const settled = new Map(recovered.settled.map((record) => [record.id, record]));
    const begun = new Map(recovered.begun.map((record) => [record.id, record]));
    const lost = [...acknowledged.begun].filter((id) => !acknowledged.confirmed.has(id) && !begun.has(id) && !settled.has(id));
    const unsettled = [...acknowledged.settled].filter((id) => begun.has(id) || (!acknowledged.confirmed.has(id) && !settled.has(id)));
    expect({ lost, unsettled, errors }).toEqual({ lost: [], unsettled: [], errors: [] });
    for (const { id, beginPayload, settlePayload } of recovered.settled) {
      expect(Buffer.alloc(300, id).equals(beginPayload) && Buffer.alloc(300, id).equals(settlePayload)).toBe(true);
    }
    await journal.close();
  }
  await rm(directory, { recursive: true });
});

type Acknowledged = Record<"begun" | "settled" | "confirmed", Set<string>>;

/** Lets a process work on the journal, kills it when it has said so much, and notes what it said. */
async function workAndKill(directory: string, outputBytes: number, acknowledged: Acknowledged): Promise<void> {
  // A file, not a pipe: every line that was written is there, however the process ends.
  const path = join(directory, "output");
  const output = await open(path, "w+");
  const child = spawn(process.execPath, [join(import.meta.dirname, "killed-process.ts"), directory], { stdio: ["ignore", output.fd, "inherit"] });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const killed = expect.poll(async () => (await output.stat()).size, { interval: 10, timeout: 20_000 }).toBeGreaterThan(outputBytes);
  await killed.finally(() => child.kill("SIGKILL"));
  await closed;
  expect(child.signalCode).toBe("SIGKILL");
  await output.close();
  const lines = (await readFile(path, "utf8")).split("\n");
  for (const line of lines.slice(0, -1)) {
    const [event, id] = line.split(" ") as [keyof Acknowledged, string];
    acknowledged[event].add(id);
  }
}
