/** Owns the memory of the audit log's heads outside of the database: in this process and its log, so that an end that was cut off or written anew is seen. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Database } from "#platform/database/database.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import { selectHeads, selectLostHeads, type StoredHead } from "./store/audit-log.ts";

export interface AuditWatch {
  /** Looks now. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

const lookEveryMs = 60_000;

export function watchAuditLog(database: Database, logger: Logger, metrics: Registry): AuditWatch {
  const faults = new Counter({ name: "weir_audit_faults_total", help: "Heads of the audit log that were seen and do not stand any more.", registers: [metrics] });
  const stopping = new AbortController();
  let seen: ReadonlyMap<string, StoredHead> = new Map();

  const look = async (): Promise<void> => {
    for (const { organization_id: organizationId, sequence, hash } of await selectLostHeads(database, [...seen.values()])) {
      faults.inc();
      logger.error({ organizationId, sequence: Number(sequence), hash: hash.toString("hex") }, "an entry of the audit log does not stand any more; see `weir audit verify`");
    }
    const heads = await selectHeads(database);
    for (const { organization_id: organizationId, sequence, hash } of heads) {
      if (seen.get(organizationId)?.hash.equals(hash) !== true) logger.info({ organizationId, sequence: Number(sequence), hash: hash.toString("hex") }, "audit log head");
    }
    // A log that is gone as a whole is remembered too.
    seen = new Map([...seen, ...heads.map((head) => [head.organization_id, head] as const)]);
  };
  let turn = Promise.resolve();
  /** One after the other, as each compares with what the one before has seen. */
  const lookInTurn = (): Promise<void> => (turn = turn.catch(() => {}).then(look));
  const keepLooking = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await lookInTurn().catch((error: unknown) => stopping.signal.aborted || logger.warn({ error }, "the audit log could not be looked at; it is tried again"));
      await sleep(lookEveryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
    }
  };
  const looking = keepLooking();

  return {
    look: lookInTurn,
    async stop() {
      stopping.abort();
      await looking;
    },
  };
}
