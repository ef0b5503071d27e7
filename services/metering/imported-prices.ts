/** Owns the imported prices in force: it follows the newest import, whichever metering took it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Queryable } from "#platform/database/database.ts";
import { MutableLiveValue, type LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { PriceList } from "./domain/price-book.ts";
import { latestImport, type StoredImport } from "./store/price-imports.ts";

export interface ImportedPrices {
  readonly prices: LiveValue<PriceList>;
  /** Looks now; a new import is in `prices` afterwards. */
  refresh(): Promise<void>;
  /** Resolves when nothing of it is left running. */
  stop(): Promise<void>;
}

const lookEveryMs = 1_000;

/** Resolves when the newest import is read. */
export async function followImportedPrices(database: Queryable, logger: Logger): Promise<ImportedPrices> {
  const none: StoredImport = { importId: 0n, entries: new Map(), adjustments: new Map() };
  let current = (await latestImport(database, none.importId)) ?? none;
  const prices = new MutableLiveValue<PriceList>(current);
  const stopping = new AbortController();

  const refresh = async (): Promise<void> => {
    const newer = await latestImport(database, current.importId);
    if (newer === undefined || newer.importId <= current.importId) return;
    current = newer;
    prices.set(newer);
  };
  const look = async (): Promise<void> => {
    for (;;) {
      await sleep(lookEveryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
      if (stopping.signal.aborted) return;
      await refresh().catch((error: unknown) => logger.debug({ error }, "imported prices cannot be looked for; it is tried again"));
    }
  };
  const looking = look();

  return {
    prices,
    refresh,
    async stop() {
      stopping.abort();
      await looking;
    },
  };
}
