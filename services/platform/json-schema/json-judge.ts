/**
 * Owns telling whether a text is JSON that fits a schema. Both are strangers', and either can be made to take forever (patterns, references
 * that multiply): so it is done in a thread of its own, one after the other, and what takes too long ends with the thread.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

const startWithinMs = 10_000;
const mostWaiting = 1_000;
const tooManyWait = "too many replies wait to be looked at";
/** Longer texts are not looked at, in characters. */
const longestText = 1024 * 1024;
const longestSchema = 64 * 1024;
const resourceLimits = { maxOldGenerationSizeMb: 128, stackSizeMb: 4 };

/** What the thread is asked. */
export interface JudgedText {
  readonly schema: string;
  readonly text: string;
}

/** What the thread answers; absent where all is well. */
export type Fault = string | undefined;

export class JsonJudge {
  #thread: Promise<Worker> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** How long one text may take. */
  readonly #withinMs: number;
  /** Whoever sends what takes long must not make all others wait without end. */
  readonly #longestWaitMs: number;

  constructor(withinMs = 2_000, longestWaitMs = 10_000) {
    this.#withinMs = withinMs;
    this.#longestWaitMs = longestWaitMs;
  }

  /** Why the text is not JSON that fits the schema, or cannot be known to be; undefined when it is. Nothing of the text stands in it. */
  faultOf(schema: string, text: string): Promise<Fault> {
    if (text.length > longestText) return Promise.resolve(`it is longer than ${longestText} characters, too long to be looked at`);
    if (schema.length > longestSchema) return Promise.resolve(`the schema is longer than ${longestSchema} characters`);
    if (this.#waiting === mostWaiting) return Promise.resolve(tooManyWait);
    this.#waiting++;
    const latestMs = performance.now() + this.#longestWaitMs;
    const fault = this.#last.then(() => (performance.now() > latestMs ? tooManyWait : this.#ask({ schema, text }))).finally(() => this.#waiting--);
    this.#last = fault;
    return fault;
  }

  async stop(): Promise<void> {
    await (await this.#thread?.catch(() => undefined))?.terminate();
  }

  async #ask(asked: JudgedText): Promise<Fault> {
    try {
      const thread = await (this.#thread ??= startThread());
      const answer = once(thread, "message", { signal: AbortSignal.timeout(this.#withinMs) });
      thread.postMessage(asked);
      return ((await answer) as [Fault])[0];
    } catch {
      const ended = this.#thread;
      this.#thread = undefined;
      await (await ended?.catch(() => undefined))?.terminate();
      return "it takes too long, or too much memory, to look at it under this schema";
    }
  }
}

/** Resolves when it listens. */
async function startThread(): Promise<Worker> {
  const thread = new Worker(new URL("./judge-thread.ts", import.meta.url), { resourceLimits });
  thread.unref();
  // One that fails while nobody asks it is found out by the next who does.
  thread.on("error", () => undefined);
  await once(thread, "message", { signal: AbortSignal.timeout(startWithinMs) });
  return thread;
}
