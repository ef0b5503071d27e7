/** Owns the thread that counts tokens for estimates: it takes a second to load and 80 MB, so it is there when it is needed, and never in the way of requests. */
import { AskedThread } from "#platform/asked-thread.ts";
import type { CountedTexts, TokenCounts } from "./domain/usage/estimate-usage.ts";

const mostWaiting = 1_000;
/** Bodies can be large: so many bytes, at most, wait here. */
const mostWaitingBytes = 64 * 1024 * 1024;
const resourceLimits = { maxOldGenerationSizeMb: 256 };

export class TokenCounter {
  readonly #thread: AskedThread<CountedTexts, TokenCounts>;
  readonly #withinMs: number;
  #waitingBytes = 0;

  /** How long a settlement waits for its count, the thread's start included. */
  constructor(file = new URL("./token-thread.ts", import.meta.url), withinMs = 10_000) {
    this.#withinMs = withinMs;
    this.#thread = new AskedThread({ file, resourceLimits, withinMs, longestWaitMs: withinMs, mostWaiting });
  }

  /** Undefined where it cannot be counted in time; never rejects. */
  async count(texts: CountedTexts): Promise<TokenCounts | undefined> {
    const bytes = texts.request.length + texts.output.kept.length;
    if (this.#waitingBytes + bytes > mostWaitingBytes) return undefined;
    this.#waitingBytes += bytes;
    const counts = this.#thread.ask(texts).catch(() => undefined).finally(() => (this.#waitingBytes -= bytes));
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), this.#withinMs);
    try {
      return await Promise.race([counts, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): Promise<void> {
    return this.#thread.stop();
  }
}
