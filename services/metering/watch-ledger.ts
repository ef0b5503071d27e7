/** Owns the continuous check of the ledger: each hour once it is over, and the hours before it in turn, one a minute. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import { checkLedger } from "./check-ledger.ts";
import { hourMs, wholeHours, type Period } from "./domain/ledger-difference.ts";
import { extentOf } from "./store/rebuild.ts";
import type { PriceVersions } from "./store/price-versions.ts";

export interface LedgerWatch {
  /** Checks what is due now. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

export interface LedgerWatchDependencies {
  readonly database: Database;
  readonly priceVersions: PriceVersions;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
}

const lookEveryMs = 60_000;
/** A caller's clock may lag: an hour is checked this long after its end. */
const settleMs = 60_000;
const maximumNamed = 20;

export function watchLedger({ database, priceVersions, clock, logger, metrics }: LedgerWatchDependencies): LedgerWatch {
  const differences = new Counter({ name: "weir_ledger_differences_total", help: "Rows of the ledger that did not agree when they were checked, by kind.", labelNames: ["kind"], registers: [metrics] });
  const hours = new Counter({ name: "weir_ledger_checked_hours_total", help: "Hours of the ledger that were checked.", registers: [metrics] });
  const stopping = new AbortController();
  let newest: number | undefined;
  let older: number | undefined;

  const look = async (): Promise<void> => {
    const extent = await extentOf(database);
    if (extent === undefined) return;
    const { startMs } = wholeHours(extent);
    const over = Math.floor((clock.now() - settleMs) / hourMs) * hourMs;
    for (newest ??= Math.max(startMs, over - hourMs); newest < over; newest += hourMs) await check({ startMs: newest, endMs: newest + hourMs });
    if (older === undefined || older < startMs) older = over;
    older -= hourMs;
    if (older >= startMs) await check({ startMs: older, endMs: older + hourMs });
  };
  const check = async (period: Period): Promise<void> => {
    const found = await checkLedger(database, priceVersions, period, maximumNamed, stopping.signal);
    hours.inc();
    for (const { kind, row, detail } of found.differences) {
      differences.inc({ kind });
      logger.error({ kind, row, detail }, "the ledger does not agree with itself; see `weir ledger check`");
    }
  };
  const keepLooking = async (): Promise<void> => {
    for (;;) {
      await sleep(lookEveryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
      if (stopping.signal.aborted) return;
      await look().catch((error: unknown) => stopping.signal.aborted || logger.warn({ error }, "the ledger could not be checked; it is tried again"));
    }
  };
  const looking = keepLooking();

  return {
    look,
    async stop() {
      stopping.abort();
      await looking;
    },
  };
}
