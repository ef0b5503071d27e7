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

const maximumDeaths = 5;
const deathWindowMs = 60_000;
/** What a dead server was computing goes on to its end, and no other starts beside it: a statement may take a quarter of that. */
const defaultStartAgainWithinMs = 60_000;
const firstDelayMs = 50;
const longestDelayMs = 1_000;

/** Starts the process; rejects when the first start fails, and from then on starts it again when it ends. */
export async function supervise(name: string, start: () => Promise<SupervisedProcess>, logger: Logger, startAgainWithinMs = defaultStartAgainWithinMs): Promise<Supervision> {
  const first = await start();
  const failed = Promise.withResolvers<GatewayError>();
  const stopping = new AbortController();
  const startNext = () => startAgain(name, start, startAgainWithinMs, stopping.signal);
  const stopped = keepRunning(name, first, startNext, stopping.signal, logger).catch((error: GatewayError) => failed.resolve(error));
  return {
    failed: failed.promise,
    stop: async () => {
      stopping.abort();
      await stopped;
    },
  };
}

async function keepRunning(name: string, first: SupervisedProcess, startNext: () => Promise<SupervisedProcess | undefined>, stopping: AbortSignal, logger: Logger): Promise<void> {
  const stopRequested = new Promise<string>((resolve) => stopping.addEventListener("abort", () => resolve("stopped")));
  let deaths: number[] = [];
  for (let running: SupervisedProcess | undefined = first; running !== undefined; running = await startNext()) {
    const outcome = await Promise.race([running.exited, stopRequested]);
    if (stopping.aborted) return running.stop();
    const nowMs = performance.now();
    deaths = [...deaths.filter((timeMs) => timeMs > nowMs - deathWindowMs), nowMs];
    if (deaths.length > maximumDeaths) throw givenUp(`${name} ended ${deaths.length} times within ${deathWindowMs / 1000} s, the last time so: ${outcome}.`);
    logger.error({ outcome, deaths: deaths.length }, `${name} ended by itself and is started again`);
  }
}

/** Tries for a while, at longer and longer intervals; undefined when it is to be stopped. */
async function startAgain(name: string, start: () => Promise<SupervisedProcess>, withinMs: number, stopping: AbortSignal): Promise<SupervisedProcess | undefined> {
  const deadlineMs = performance.now() + withinMs;
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(2 * delayMs, longestDelayMs)) {
    await sleep(delayMs, undefined, { signal: stopping }).catch(() => {});
    if (stopping.aborted) return undefined;
    try {
      return await start();
    } catch (error) {
      if (performance.now() > deadlineMs) throw givenUp(`${name} could not be started again within ${withinMs / 1000} s, the last time so: ${String(error)}.`);
    }
  }
}

function givenUp(message: string): GatewayError {
  return new GatewayError("DEPENDENCY_UNAVAILABLE", message);
}
