/** Owns the putting together of metering: price book, ledger, reports. */
import { join } from "node:path";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { RecordUsageRequest, RecordUsageResponse } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { Registry } from "#platform/metrics.ts";
import type { RunningService } from "#platform/rpc/service.ts";
import { defaultContentRetentionMs, defaultRequestRetentionMs, type MeteringConfig } from "./config.ts";
import { answerJournalReports } from "./edge/journal-reports.ts";
import { startUsageConsumer } from "./edge/usage-consumer.ts";
import { keepFolding } from "./fold-sums.ts";
import { followImportedPrices } from "./imported-prices.ts";
import { keepAuditEntries, keepContent, keepRequestRecords } from "./keep-retention.ts";
import { watchForLostJournals } from "./lost-journals.ts";
import { countUsage } from "./count-usage.ts";
import type { LedgerChange } from "./domain/ledger.ts";
import { flagOutgrownHolds } from "./flag-outgrown-holds.ts";
import { followPriceBook } from "./price-book-follower.ts";
import { checkLedger } from "./rpc/ledger/check-ledger.ts";
import { declareJournalLost } from "./rpc/journals/declare-journal-lost.ts";
import { eraseContent } from "./rpc/content/erase-content.ts";
import { importPrices } from "./rpc/prices/import-prices.ts";
import { listAuditEntries } from "./rpc/audit/list-audit-entries.ts";
import { listAuditLinks } from "./rpc/audit/list-audit-links.ts";
import { listAttempts } from "./rpc/usage/list-attempts.ts";
import { listJournals } from "./rpc/journals/list-journals.ts";
import { listPriceImports } from "./rpc/prices/list-price-imports.ts";
import { listPrices } from "./rpc/prices/list-prices.ts";
import { listRequests } from "./rpc/requests/list-requests.ts";
import { queryUsage } from "./rpc/usage/query-usage.ts";
import { rebuildLedger } from "./rpc/ledger/rebuild-ledger.ts";
import { reconcileUsage } from "./rpc/ledger/reconcile-usage.ts";
import { readContent } from "./rpc/content/read-content.ts";
import { recordAudit } from "./rpc/audit/record-audit.ts";
import { recordCacheUses } from "./rpc/requests/record-cache-uses.ts";
import { recordContent } from "./rpc/content/record-content.ts";
import { recordRequests } from "./rpc/requests/record-requests.ts";
import { recordUsage } from "./rpc/usage/record-usage.ts";
import { reportJournal } from "./rpc/journals/report-journal.ts";
import { rerateUsage } from "./rpc/prices/rerate-usage.ts";
import { sumLeases } from "./rpc/ledger/sum-leases.ts";
import { takeLeasePostings } from "./rpc/ledger/take-lease-postings.ts";
import { watchBoundPrices } from "./rpc/prices/watch-bound-prices.ts";
import { verifyAuditLog } from "./rpc/audit/verify-audit-log.ts";
import { watchPriceVersion } from "./rpc/prices/watch-price-version.ts";
import { watchUsage } from "./rpc/usage/watch-usage.ts";
import { keepDeadLetters } from "./store/dead-letters.ts";
import { Partitions } from "./store/partitions.ts";
import { PriceVersions } from "./store/price-versions.ts";
import { Turns } from "./turns.ts";
import { watchAuditLog } from "./watch-audit-log.ts";
import { watchLedger } from "./watch-ledger.ts";

export interface MeteringDependencies {
  /** Its search path is metering's schema, and `migrationsDirectory` has been applied to it. */
  readonly database: Database;
  readonly config: LiveValue<MeteringConfig>;
  /** Where usage events come through NATS too: the link to it. */
  readonly eventLog?: NatsLink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
}

export const migrationsDirectory = join(import.meta.dirname, "store", "migrations");

/** Resolves when the price book in force is stored. */
export async function createMeteringService({ database, config, eventLog, clock, logger, metrics }: MeteringDependencies): Promise<RunningService<typeof MeteringService>> {
  const partitions = new Partitions(database);
  const priceVersions = new PriceVersions();
  const imported = await followImportedPrices(database, logger);
  const follower = await followPriceBook({ config, imported: imported.prices, save: (book) => priceVersions.save(database, book), logger });
  await partitions.ensure([clock.now()]);
  const folding = keepFolding(database, logger);
  const watch = watchLedger({ database, priceVersions, clock, logger, metrics });
  const auditWatch = watchAuditLog(database, logger, metrics);
  const stopKeepingContent = keepContent(database, () => config.current.contentRetentionMs ?? defaultContentRetentionMs, logger);
  const stopKeepingRequests = keepRequestRecords(database, () => config.current.requestRetentionMs ?? defaultRequestRetentionMs, logger);
  const stopKeepingAudit = keepAuditEntries(database, () => config.current.auditRetentionMs, logger);
  const looks = new Turns();
  const stopping = new AbortController();
  const recording = new Set<Promise<unknown>>();
  const flagOutgrown = flagOutgrownHolds(logger, metrics);
  const count = countUsage(metrics);
  const onPosted = (posted: readonly LedgerChange[]): void => {
    flagOutgrown(posted);
    count(posted);
  };
  const record = (request: RecordUsageRequest): Promise<RecordUsageResponse> => recordUsage({ database, config, partitions, priceVersions, clock, logger, onPosted }, request);
  const consumer = eventLog && startUsageConsumer({ link: eventLog, record, setAside: (letters) => keepDeadLetters(database, letters), logger });
  const journalReports = eventLog && answerJournalReports({ link: eventLog, report: (request) => reportJournal(database, request), logger });
  const lostJournals = watchForLostJournals({
    database,
    silenceMs: () => config.current.lostJournalAfterMs,
    canHear: () => eventLog?.isConnected ?? true,
    record,
    clock,
    logger,
  });

  return {
    descriptor: MeteringService,
    implementation: {
      async recordUsage(request) {
        if (stopping.signal.aborted) throw new GatewayError("SHUTTING_DOWN", "Metering is stopping: send the events again later.");
        const work = record(request);
        recording.add(work);
        return work.finally(() => recording.delete(work));
      },
      watchPriceVersion: (request, { signal }) => watchPriceVersion(request, follower.priceBook, AbortSignal.any([signal, stopping.signal])),
      watchBoundPrices: (request, { signal }) => watchBoundPrices(request, follower.priceBook, clock, AbortSignal.any([signal, stopping.signal])),
      sumLeases: (request) => sumLeases(database, request),
      takeLeasePostings: (request, { signal }) => takeLeasePostings(database, request, AbortSignal.any([signal, stopping.signal])),
      queryUsage: (request, { identity }) => queryUsage(database, clock, config.current.labels, request, identity),
      watchUsage: (request, { identity, signal }) => watchUsage(() => queryUsage(database, clock, config.current.labels, request.query!, identity), looks, request, AbortSignal.any([signal, stopping.signal])),
      listAttempts: (request, { identity }) => listAttempts(database, request, identity),
      listPrices: (request, { identity }) => listPrices(database, priceVersions, follower.priceBook.current, request, identity),
      reportJournal: (request) => reportJournal(database, request),
      listJournals: (request) => listJournals(database, request),
      declareJournalLost: (request) => declareJournalLost(database, lostJournals, request),
      importPrices: (request, { identity }) => importPrices({ database, config, imported, follower, priceVersions }, request, identity),
      checkLedger: (request, { signal }) => checkLedger(database, priceVersions, request, signal),
      rebuildLedger: (request, { signal }) => rebuildLedger(database, request, signal),
      rerateUsage: (request, context) => rerateUsage({ database, priceVersions }, request, context),
      reconcileUsage: (request, { identity, signal }) => reconcileUsage({ database, record }, request, identity, signal),
      listPriceImports: (request) => listPriceImports(database, request),
      recordCacheUses: (request) => recordCacheUses(database, config.current.labels, request),
      recordRequests: (request) => recordRequests(database, request),
      listRequests: (request, { identity }) => listRequests(database, request, identity),
      recordContent: (request) => recordContent(database, config.current.contentKey, request),
      readContent: (request) => readContent(database, config.current.contentKey, request),
      eraseContent: (request) => eraseContent(database, request),
      recordAudit: (request) => recordAudit(database, request),
      listAuditEntries: (request) => listAuditEntries(database, request),
      listAuditLinks: (request) => listAuditLinks(database, request),
      verifyAuditLog: (request, { signal }) => verifyAuditLog(database, request, signal),
    },
    async stop() {
      stopping.abort();
      await lostJournals.stop();
      await journalReports?.stop();
      await consumer?.stop();
      await Promise.allSettled(recording);
      await watch.stop();
      await auditWatch.stop();
      await stopKeepingContent();
      await stopKeepingRequests();
      await stopKeepingAudit();
      await folding.stop();
      await imported.stop();
      await follower.stop();
    },
  };
}
