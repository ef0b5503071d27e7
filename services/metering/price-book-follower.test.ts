/** Proves that a version is announced only when it is stored, and that the latest configuration wins. */
import { expect, test } from "vitest";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import type { MeteringConfig } from "./config.ts";
import { entriesOf, ratesOf } from "./domain/listed-price.ts";
import type { PriceBook, PriceList } from "./domain/price-book.ts";
import { followPriceBook } from "./price-book-follower.ts";

const logger = createLogger("silent");
const imported = new MutableLiveValue<PriceList>({ entries: new Map(), adjustments: new Map() });

function configWith(input: string): Pick<MeteringConfig, "prices"> {
  return { prices: new Map([["local/llama", entriesOf({ input })]]) };
}

test("a new version is in force only once it is stored, and what came meanwhile follows", async () => {
  const config = new MutableLiveValue(configWith("1"));
  const saves: { book: PriceBook; finish: () => void }[] = [];
  let noteSave = Promise.withResolvers<void>();
  const save = (book: PriceBook) =>
    new Promise<void>((resolve) => {
      saves.push({ book, finish: resolve });
      noteSave.resolve();
      noteSave = Promise.withResolvers();
    });
  const starting = followPriceBook({ config, imported, save, logger });
  saves[0]!.finish();
  const { priceBook, stop } = await starting;
  const first = priceBook.current.version;

  const changed = new Promise<void>((resolve) => priceBook.subscribe(() => resolve()));
  const secondSave = noteSave.promise;
  config.set(configWith("2"));
  await secondSave;
  expect(priceBook.current.version).toBe(first);

  config.set(configWith("3"));
  const thirdSave = noteSave.promise;
  saves[1]!.finish();
  await changed;
  expect(priceBook.current.version).toBe(saves[1]!.book.version);
  await thirdSave;
  saves[2]!.finish();
  await stop();
  expect(priceBook.current.entries.get("local/llama")).toEqual([{ rates: ratesOf({ input: "3" }) }]);
});

test("while a version cannot be stored the old one stays in force, and stopping does not wait for it", async () => {
  const config = new MutableLiveValue(configWith("1"));
  let isDown = false;
  const failed = Promise.withResolvers<void>();
  const save = async (): Promise<void> => {
    if (!isDown) return;
    failed.resolve();
    throw new Error("the database is down");
  };
  const { priceBook, stop } = await followPriceBook({ config, imported, save, logger });
  const { version } = priceBook.current;
  isDown = true;
  config.set(configWith("2"));
  await failed.promise;
  await stop();
  expect(priceBook.current.version).toBe(version);
});
