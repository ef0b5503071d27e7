/** Owns the price book in force: it follows the configuration and the imports, and no version is announced before the database has it. */
import { setTimeout as sleep } from "node:timers/promises";
import { MutableLiveValue, type LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { MeteringConfig } from "./config.ts";
import { builtInPrices } from "./domain/built-in-prices.ts";
import { createPriceBook, type PriceBook, type PriceList } from "./domain/price-book.ts";

export interface PriceBookSources {
  readonly config: LiveValue<Pick<MeteringConfig, "prices">>;
  readonly imported: LiveValue<PriceList>;
  readonly save: (book: PriceBook) => Promise<void>;
  readonly logger: Logger;
}

export interface PriceBookFollower {
  readonly priceBook: LiveValue<PriceBook>;
  /** Resolves when what its sources say now is in force. */
  caughtUp(): Promise<void>;
  /** Resolves when nothing of it is left running. */
  stop(): Promise<void>;
}

const retryMs = 1_000;

/** Resolves when the current book is stored. */
export async function followPriceBook({ config, imported, save, logger }: PriceBookSources): Promise<PriceBookFollower> {
  const first = bookOf(config.current, imported.current);
  await save(first);
  const priceBook = new MutableLiveValue(first);
  const stopping = new AbortController();
  let following = Promise.resolve();

  const publishLatest = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const book = bookOf(config.current, imported.current);
      if (book.version === priceBook.current.version) return;
      try {
        await save(book);
        priceBook.set(book);
        logger.info({ priceVersion: book.version }, "the price book has changed");
      } catch (error) {
        logger.error({ error, retryInMs: retryMs }, "a new price book cannot be stored; the old one stays in force");
        await sleep(retryMs, undefined, { signal: stopping.signal }).catch(() => {});
      }
    }
  };
  const follow = (): void => {
    following = following.then(publishLatest);
  };
  const unsubscribes = [config.subscribe(follow), imported.subscribe(follow)];
  // Either may have changed while the first book was stored.
  follow();

  return {
    priceBook,
    caughtUp: () => following,
    async stop() {
      for (const unsubscribe of unsubscribes) unsubscribe();
      stopping.abort();
      await following;
    },
  };
}

/** The book of these sources: the configuration's prices precede imported ones, and those the built-in ones. */
export function bookOf(config: Pick<MeteringConfig, "prices">, imported: PriceList): PriceBook {
  return createPriceBook([builtInPrices, imported.entries, config.prices], imported.adjustments);
}
