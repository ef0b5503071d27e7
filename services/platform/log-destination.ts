/** Owns where log lines go: standard error, many lines in one write. */
import { pino, type DestinationStream } from "pino";

/** How long a line may wait for company. */
const companyMs = 100;
/** How many characters are written at once. */
const companyCharacters = 32 * 1024;

/**
 * The one for all loggers of this process. Lines are gathered here and not by pino's own destination: that one measures all
 * that it has gathered again for each line. What waits when the process ends is written before it does.
 */
export const logDestination = createLogDestination();

function createLogDestination(): DestinationStream & { flushSync(): void } {
  const standardError = pino.destination({ dest: 2, sync: false });
  let lines = "";
  let timer: NodeJS.Timeout | undefined;

  function write(line: string): void {
    lines += line;
    if (lines.length >= companyCharacters) return flush();
    timer ??= setTimeout(flush, companyMs).unref();
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (lines !== "") standardError.write(lines);
    lines = "";
  }

  function flushSync(): void {
    flush();
    standardError.flushSync();
  }

  // Before pino's own listeners, which close the destination.
  process.prependListener("beforeExit", flush);
  process.prependListener("exit", flush);
  return { write, flushSync };
}
