/**
 * Owns a thread that is asked one question after the other, for what takes too long to be done beside requests: started by the first question,
 * ended when none has come for a minute, and with each that takes too long.
 */
import { once } from "node:events";
import { Worker, type ResourceLimits } from "node:worker_threads";

export interface AskedThreadOptions {
  /** What it runs; it posts one message when it listens, and then one for each that it gets. */
  readonly file: URL;
  readonly resourceLimits: ResourceLimits;
  /** How long one question may take. */
  readonly withinMs: number;
  /** Whoever asks what takes long must not make all others wait without end. */
  readonly longestWaitMs: number;
  readonly mostWaiting: number;
}

/** Too many questions wait, or this one has waited too long: it was not asked. */
export class ThreadBusyError extends Error {}

const startWithinMs = 10_000;
const idleMs = 60_000;

export class AskedThread<Question, Answer> {
  readonly #options: AskedThreadOptions;
  readonly #stopping = new AbortController();
  #thread: Promise<Worker> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: AskedThreadOptions) {
    this.#options = options;
  }

  /** Rejects with ThreadBusyError, or because the thread failed, was late, or is stopped. */
  ask(question: Question): Promise<Answer> {
    if (this.#waiting === this.#options.mostWaiting) return Promise.reject(new ThreadBusyError());
    this.#waiting++;
    clearTimeout(this.#idle);
    const latestMs = performance.now() + this.#options.longestWaitMs;
    const answer = this.#last.then(() => {
      if (performance.now() > latestMs) throw new ThreadBusyError();
      return this.#ask(question);
    });
    this.#last = answer.catch(() => undefined).finally(() => this.#answered());
    return answer;
  }

  /** Whoever waits is refused at once. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#idle);
    await this.#end();
  }

  async #ask(question: Question): Promise<Answer> {
    this.#stopping.signal.throwIfAborted();
    const { withinMs } = this.#options;
    try {
      const thread = await (this.#thread ??= this.#start());
      const answer = once(thread, "message", { signal: this.#within(withinMs) });
      thread.postMessage(question);
      return ((await answer) as [Answer])[0];
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  #answered(): void {
    this.#waiting--;
    if (this.#waiting === 0 && !this.#stopping.signal.aborted) this.#idle = setTimeout(() => void this.#end(), idleMs).unref();
  }

  async #start(): Promise<Worker> {
    const { file, resourceLimits } = this.#options;
    const thread = new Worker(file, { resourceLimits });
    thread.unref();
    // One that fails while nobody asks it is found out by the next who does.
    thread.on("error", () => undefined);
    thread.on("exit", () => thread.emit("error", new Error("The thread ended.")));
    try {
      await once(thread, "message", { signal: this.#within(startWithinMs) });
    } catch (error) {
      await thread.terminate();
      throw error;
    }
    return thread;
  }

  async #end(): Promise<void> {
    const ended = this.#thread;
    this.#thread = undefined;
    await (await ended?.catch(() => undefined))?.terminate();
  }

  #within(ms: number): AbortSignal {
    return AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(ms)]);
  }
}
