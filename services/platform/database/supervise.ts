/** Owns keeping a child process running: started again when it dies, but not for ever. */
import { setTimeout as sleep } from "node:timers/promises";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";

export interface SupervisedProcess {
  /** Resolves when the process is gone, with how it ended. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

export interface Supervision {
  /** Resolves when the process died more often than the bound allows; it is not running then. */
  readonly failed: Promise<GatewayError>;
  /** Resolves when the process is gone, and will not be started again. */
  stop(): Promise<void>;
}

const maximumRestarts = 5;
const restartWindowMs = 60_000;
const firstRestartDelayMs = 25;

/** Starts the process; rejects when the first start fails, and from then on starts it again when it ends. */
export async function supervise(name: string, start: () => Promise<SupervisedProcess>, logger: Logger): Promise<Supervision> {
  const first = await start();
  const failed = Promise.withResolvers<GatewayError>();
  const stopping = new AbortController();
  const stopped = keepRunning(name, first, start, stopping.signal, logger).catch((error: GatewayError) => failed.resolve(error));
  return {
    failed: failed.promise,
    stop: async () => {
      stopping.abort();
      await stopped;
    },
  };
}

async function keepRunning(
  name: string,
  first: SupervisedProcess,
  start: () => Promise<SupervisedProcess>,
  stopping: AbortSignal,
  logger: Logger,
): Promise<void> {
  const stopRequested = new Promise<string>((resolve) => stopping.addEventListener("abort", () => resolve("stopped")));
  let restartTimes: number[] = [];
  let running: SupervisedProcess | undefined = first;
  let outcome = "";
  for (;;) {
    if (running !== undefined) outcome = await Promise.race([running.exited, stopRequested]);
    if (stopping.aborted) return running?.stop();

    const now = performance.now();
    restartTimes = [...restartTimes.filter((time) => time > now - restartWindowMs), now];
    if (restartTimes.length > maximumRestarts) {
      throw new GatewayError("DEPENDENCY_UNAVAILABLE", `${name} ended ${restartTimes.length} times within ${restartWindowMs / 1000} s, the last time so: ${outcome}.`);
    }
    logger.error({ outcome, restart: restartTimes.length }, `${name} ended by itself and is started again`);
    // Longer each time: what the dead process has left behind may need a moment to go.
    await sleep(firstRestartDelayMs * 2 ** restartTimes.length, undefined, { signal: stopping }).catch(() => {});
    if (stopping.aborted) return;
    running = await start().catch((error: unknown) => {
      outcome = String(error);
      return undefined;
    });
  }
}
