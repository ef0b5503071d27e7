/** Owns that what is past its retention is taken away: some of it every minute, until nothing is left. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { deleteOlderAuditEntries } from "./store/audit-log.ts";
import { deleteOlderContents } from "./store/contents.ts";
import { deleteOlderRequestRecords } from "./store/request-records.ts";

const lookEveryMs = 60_000;
const batch = 1_000;

/** Each until the returned function is called. */
export function keepContent(database: Database, retentionMs: () => number, logger: Logger): () => Promise<void> {
  return keep("content", async () => (await deleteOlderContents(database, retentionMs(), batch)) === batch, logger);
}

/** The same, of what became of requests. */
export function keepRequestRecords(database: Database, retentionMs: () => number, logger: Logger): () => Promise<void> {
  return keep("records of requests", async () => (await deleteOlderRequestRecords(database, retentionMs(), batch)) === batch, logger);
}

/** For ever, where there is no retention. */
export function keepAuditEntries(database: Database, retentionMs: () => number | undefined, logger: Logger): () => Promise<void> {
  const takeSome = async (): Promise<boolean> => {
    const ageMs = retentionMs();
    const anchor = ageMs === undefined ? undefined : await deleteOlderAuditEntries(database, ageMs, batch);
    if (anchor === undefined) return false;
    const { organization_id: organizationId, sequence, hash } = anchor;
    logger.info({ organizationId, sequence: Number(sequence), hash: hash.toString("hex") }, "audit log begins behind this entry now: up to it all are past their retention and gone");
    return true;
  };
  return keep("audit entries", takeSome, logger);
}

/** `takeSome` resolves to whether there may be more. */
function keep(what: string, takeSome: () => Promise<boolean>, logger: Logger): () => Promise<void> {
  const stopping = new AbortController();
  const keeping = (async () => {
    while (!stopping.signal.aborted) {
      const isMore = await takeSome().catch((error: unknown) => {
        if (!stopping.signal.aborted) logger.warn({ error }, `${what} past the retention could not be taken away; it is tried again`);
        return false;
      });
      if (!isMore) await sleep(lookEveryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  })();
  return async () => {
    stopping.abort();
    await keeping;
  };
}
