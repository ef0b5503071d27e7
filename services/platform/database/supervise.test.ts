import { expect, test } from "vitest";
import { createLogger } from "../logger.ts";
import { supervise, type SupervisedProcess } from "./supervise.ts";

const logger = createLogger("silent");

/** A process that ends when `end` or `stop` is called. */
class ScriptedProcess implements SupervisedProcess {
  readonly #exit = Promise.withResolvers<string>();
  readonly exited = this.#exit.promise;
  isStopped = false;

  end(outcome: string): void {
    this.#exit.resolve(outcome);
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.end("stopped");
  }
}

function scripted(script: (start: number) => ScriptedProcess) {
  let starts = 0;
  return { start: async () => script(++starts), count: () => starts };
}

test("a process that keeps dying is given up after five restarts", async () => {
  const { start, count } = scripted((starts) => {
    const process = new ScriptedProcess();
    process.end(`death ${starts}`);
    return process;
  });
  const supervision = await supervise("PostgreSQL", start, logger);
  expect(await supervision.failed).toMatchObject({
    reason: "DEPENDENCY_UNAVAILABLE",
    message: "PostgreSQL ended 6 times within 60 s, the last time so: death 6.",
  });
  expect(count()).toBe(6);
});

test("a process that cannot be started again is tried for a while, and then given up", async () => {
  const first = new ScriptedProcess();
  const { start, count } = scripted((starts) => {
    if (starts === 1) return first;
    throw new Error("no room");
  });
  const supervision = await supervise("PostgreSQL", start, logger, 500);
  first.end("death");
  expect(await supervision.failed).toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE", message: "PostgreSQL could not be started again within 0.5 s, the last time so: Error: no room." });
  expect(count()).toBeGreaterThan(3);
});

test("a process that starts again in the end goes on", async () => {
  const first = new ScriptedProcess();
  const { start, count } = scripted((starts) => {
    if (starts > 1 && starts < 4) throw new Error("what it was computing still runs");
    return starts === 1 ? first : new ScriptedProcess();
  });
  const supervision = await supervise("PostgreSQL", start, logger);
  first.end("death");
  await expect.poll(count).toBe(4);
  await supervision.stop();
  expect(count()).toBe(4);
});

test("a process that is stopped is not started again", async () => {
  const process = new ScriptedProcess();
  const { start, count } = scripted(() => process);
  const supervision = await supervise("PostgreSQL", start, logger);
  await supervision.stop();
  expect([process.isStopped, count()]).toEqual([true, 1]);
});

test("a first start that fails is reported, not repeated", async () => {
  const { start, count } = scripted(() => {
    throw new Error("no room");
  });
  await expect(supervise("PostgreSQL", start, logger)).rejects.toThrow("no room");
  expect(count()).toBe(1);
});
