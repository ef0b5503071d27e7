/** Owns how long content is kept: what is older than the retention is taken away, some every minute. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { deleteOlderContents } from "./store/contents.ts";

const lookEveryMs = 60_000;
const batch = 1_000;

/** Until the returned function is called. */
export function keepContent(database: Database, retentionMs: () => number, logger: Logger): () => Promise<void> {
  const stopping = new AbortController();
  const keep = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const deleted = await deleteOlderContents(database, retentionMs(), batch).catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.warn({ error }, "content that is past its retention could not be taken away; it is tried again");
        return 0;
      });
      if (deleted < batch) await sleep(lookEveryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  };
  const keeping = keep();
  return async () => {
    stopping.abort();
    await keeping;
  };
}
