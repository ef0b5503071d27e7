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

test("a process that keeps dying, or does not start any more, is given up after five restarts", async () => {
  const { start, count } = scripted((starts) => {
    if (starts === 3) throw new Error("no room");
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
