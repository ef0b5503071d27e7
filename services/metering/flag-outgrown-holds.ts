/** Owns telling of attempts that are charged more than was held for them: they are booked in full, so that a budget may end above its limit. */
import type { Logger } from "#platform/logger.ts";
import { Counter, type Registry } from "#platform/metrics.ts";
import { outgrowsHold } from "./domain/lease-posting.ts";
import type { LedgerChange } from "./domain/ledger.ts";

export function flagOutgrownHolds(logger: Logger, metrics: Registry): (posted: readonly LedgerChange[]) => void {
  const outgrown = new Counter({ name: "weir_ledger_outgrown_holds_total", help: "Attempts that were charged more than was held for them, by vendor.", labelNames: ["vendor"], registers: [metrics] });
  return (posted) => {
    for (const { identity, figures, source } of posted.filter(outgrowsHold)) {
      const { attemptId, organizationId, provider, vendor, model, boundNanos } = identity;
      outgrown.inc({ vendor });
      logger.warn({ attemptId, organizationId, provider, model, servedModel: source.outcome.servedModel, boundNanos, chargeNanos: figures.chargeNanos }, "an attempt is charged more than was held for it; it is booked in full");
    }
  };
}
