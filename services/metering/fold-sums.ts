/** Owns when what batches have added is folded into the sums: every second, by one process at a time. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { foldDeltas } from "./store/fold-deltas.ts";

const foldEveryMs = 1_000;
const deltasAtOnce = 10_000;

export function keepFolding(database: Database, logger: Logger): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const fold = async (): Promise<void> => {
    while (!stopping.signal.aborted && (await foldDeltas(database, deltasAtOnce)) === deltasAtOnce);
  };
  const loop = async (): Promise<void> => {
    for (;;) {
      await sleep(foldEveryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
      if (stopping.signal.aborted) return;
      await fold().catch((error: unknown) => logger.warn({ error }, "the ledger's sums could not be folded; reports are right meanwhile, and it is tried again"));
    }
  };
  const looping = loop();
  return {
    async stop() {
      stopping.abort();
      await looping;
    },
  };
}
