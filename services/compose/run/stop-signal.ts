/** Owns how a process is asked to stop, and how long its requests may take to end then. */
import type { Settings } from "../settings/settings.ts";

/** npm passes on a Ctrl-C that the terminal has sent to its child already: two at once are one. */
const sameSignalMs = 500;
/** Whoever presses Ctrl-C waits for the prompt. */
const interactiveDrainMs = 3_000;

/** Resolves at the first signal to stop; another one later ends the process at once. Ask before anything is started: a PostgreSQL would outlive a process that a signal ended. */
export function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        firstMs ??= performance.now();
        if (performance.now() - firstMs > sameSignalMs) process.exit(130);
        resolve(signal);
      });
    }
  });
}

/** `SIGTERM` is an orchestrator's way: it waits for the requests. */
export function drainMsAfter(reason: NodeJS.Signals | Error, { drainTimeoutMs }: Settings): number {
  return reason === "SIGTERM" ? drainTimeoutMs : Math.min(drainTimeoutMs, interactiveDrainMs);
}

/** What was started; undefined when the signal came first. */
export async function unlessStopped<Started>(starting: Promise<Started>, stopping: Promise<NodeJS.Signals>): Promise<Started | undefined> {
  starting.catch(() => undefined);
  return Promise.race([starting, stopping.then(() => undefined)]);
}
