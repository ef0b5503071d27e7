/**
 * Owns the settlement of batches. The attempt that makes one ends with its usage unreported, for which budgets count its bound; when the
 * vendor says that the batch is over, a second event of the same attempt, of a higher rank, says what it consumed. It may be sent
 * any number of times and counts once (docs/decisions/a-batch-is-one-attempt.md).
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AttemptOutcomeSchema, UsageEventSchema, type AttemptIntent, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import type { EventTransport } from "#platform/event-log/event-transport.ts";
import { GatewayError } from "#platform/errors.ts";
import { timeOfId } from "#platform/ids.ts";
import type { Logger } from "#platform/logger.ts";
import type { BatchAdapter, BatchEnding, VendorBatch } from "./domain/batch.ts";
import type { CredentialSource } from "./domain/credential-source.ts";
import type { LiveProvider, LiveProviders } from "./edge/live-providers.ts";
import { askVendor } from "./rpc/free-call.ts";
import { claimBatches, deleteBatch, insertBatch, selectBatch, type ExpectedBatch } from "./store/expected-batches.ts";

export interface BatchSettlementOptions {
  /** Opened when it is first needed; undefined in a process without one. */
  readonly database: (() => Promise<Database>) | undefined;
  /** True while a configured provider can have batches. */
  readonly isNeeded: () => boolean;
  readonly providers: Pick<LiveProviders, "get">;
  readonly transport: EventTransport<UsageEvent>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lookIntervalMs?: number;
}

const defaultLookIntervalMs = 60_000;
/** Looked for at once. */
const mostAtOnce = 1_000;
/** The vendor's clock and ours. */
const skewMs = 300_000;
/** A batch is over within a day, and is listed for long after. */
const givenUpAfterMs = 48 * 3_600_000;
/** A provider that has left the configuration, or is another one now, may be back before its batches are given up. */
const goneReasons: ReadonlySet<string> = new Set(["NOT_FOUND", "UNSUPPORTED_OPERATION"]);
/** Of an account with more batches since the oldest that is looked for, the rest is looked through in vain. */
const mostPages = 200;
const nothing: ReadonlyMap<string, VendorBatch> = new Map();

export class BatchSettlement {
  readonly #options: BatchSettlementOptions;
  readonly #stopping = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;
  readonly #settling = new Set<Promise<void>>();

  constructor(options: BatchSettlementOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.look(), options.lookIntervalMs ?? defaultLookIntervalMs);
    this.#timer.unref();
  }

  /** Notes a batch that is about to be made, and whose credential makes it. Throws UNSUPPORTED_OPERATION in a process without a database, DEPENDENCY_UNAVAILABLE while that is down. */
  async expect(intent: AttemptIntent, credentialOrganizationId: string): Promise<void> {
    const { database: open, clock, lookIntervalMs = defaultLookIntervalMs } = this.#options;
    if (open === undefined) throw new GatewayError("UNSUPPORTED_OPERATION", "Batches need a database, and this process of providers has none. Set WEIR_DATABASE_URL for it, to the database of the other services.", { metadata: { operation: "batches" } });
    const nowMs = clock.now();
    await insertBatch(await open(), { intent, credentialOrganizationId, beginTimeMs: nowMs }, new Date(nowMs + lookIntervalMs));
  }

  /** The batch was not made. What cannot be forgotten now is looked for in vain, and then given up. */
  forget(attemptId: string): void {
    void this.#run((database) => deleteBatch(database, attemptId));
  }

  /** A reply to a caller, to a request with such a credential, tells of a batch. Whoever has an account of its own there can have written into it what it likes. */
  seen({ attemptId, ending }: VendorBatch, credentialOrganizationId: string): void {
    if (attemptId === "" || ending === undefined) return;
    void this.#run(async (database) => {
      const expected = await selectBatch(database, attemptId);
      if (expected?.credentialOrganizationId === credentialOrganizationId) await this.#settle(database, expected, ending);
    });
  }

  /** Looks at the vendors for what is due; resolves when that is done. */
  async look(): Promise<void> {
    if (!this.#options.isNeeded()) return;
    this.#looking ??= this.#run((database) => this.#lookForDue(database)).finally(() => (this.#looking = undefined));
    await this.#looking;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopping.abort();
    await Promise.all(this.#settling);
  }

  /** What fails here is done when it is looked again. */
  #run(work: (database: Database) => Promise<void>): Promise<void> {
    const { database: open, logger } = this.#options;
    if (open === undefined || this.#stopping.signal.aborted) return Promise.resolve();
    const running = open()
      .then(work)
      .catch((error: unknown) => logger.warn({ error }, "batches cannot be settled; it is tried again"))
      .finally(() => this.#settling.delete(running));
    this.#settling.add(running);
    return running;
  }

  async #lookForDue(database: Database): Promise<void> {
    const { clock, logger, lookIntervalMs = defaultLookIntervalMs } = this.#options;
    const nowMs = clock.now();
    const due = await claimBatches(database, new Date(nowMs), new Date(nowMs + lookIntervalMs), mostAtOnce);
    for (const expected of Map.groupBy(due, accountOf).values()) {
      try {
        await this.#lookAt(database, expected);
      } catch (error) {
        const { provider } = expected[0]!.intent;
        logger.warn({ provider, batches: expected.length, error }, "a vendor cannot be asked for its batches; it is asked again");
        if (error instanceof GatewayError && goneReasons.has(error.reason)) await this.#giveUpOld(database, expected, "its provider is configured no more");
      }
      if (this.#stopping.signal.aborted) return;
    }
  }

  /** At those of one account. */
  async #lookAt(database: Database, expected: readonly ExpectedBatch[]): Promise<void> {
    const { intent, credentialOrganizationId } = expected[0]!;
    const provider = this.#options.providers.get(intent.provider, undefined);
    const { batches: adapter } = provider.config.adapter;
    if (adapter === undefined) throw new GatewayError("UNSUPPORTED_OPERATION", `The provider ${intent.provider} had batches when some were made, and has none now.`);
    const credentials = provider.credentials.ownedBy(credentialOrganizationId);
    const found = credentials === undefined ? nothing : await this.#listSince(provider, credentials, adapter, Math.min(...expected.map(({ beginTimeMs }) => beginTimeMs)) - skewMs);
    for (const one of expected) {
      const batch = found.get(one.intent.attemptId);
      if (batch?.ending !== undefined) await this.#settle(database, one, batch.ending);
      else if (batch === undefined) await this.#giveUpOld(database, [one], credentials === undefined ? "its organization has taken back the credential that made it" : "the vendor does not list it");
    }
  }

  async #giveUpOld(database: Database, expected: readonly ExpectedBatch[], why: string): Promise<void> {
    for (const one of expected) if (this.#options.clock.now() - one.beginTimeMs > givenUpAfterMs) await this.#giveUp(database, one, why);
  }

  async #listSince(provider: LiveProvider, credentials: CredentialSource, adapter: BatchAdapter, sinceMs: number): Promise<ReadonlyMap<string, VendorBatch>> {
    const found = new Map<string, VendorBatch>();
    let after: string | undefined;
    for (let page = 0; page < mostPages && !this.#stopping.signal.aborted; page++) {
      const { batches, next } = await askVendor({ provider, credentials, vendorRequest: adapter.listRequest(after), read: (body) => adapter.readList(body), clock: this.#options.clock, signal: this.#stopping.signal });
      for (const batch of batches) found.set(batch.attemptId, batch);
      if (next === undefined || batches.every(({ createTimeMs }) => createTimeMs < sinceMs)) break;
      after = next;
    }
    return found;
  }

  async #settle(database: Database, expected: ExpectedBatch, ending: BatchEnding): Promise<void> {
    const { attemptId } = expected.intent;
    if (ending.summary.usage === undefined) return this.#giveUp(database, expected, "the vendor does not say what it consumed");
    const { confirmedIds, rejectedIds } = await this.#options.transport.deliver([{ id: attemptId, event: eventOf(expected.intent, { ...ending, endTimeMs: ending.endTimeMs ?? this.#options.clock.now() }) }], this.#stopping.signal);
    if (confirmedIds.includes(attemptId) || rejectedIds.includes(attemptId)) await deleteBatch(database, attemptId);
  }

  /** It stays in the ledger as it is: unreported, and counted at its bound. */
  async #giveUp(database: Database, { intent }: ExpectedBatch, why: string): Promise<void> {
    const { attemptId, requestId, provider } = intent;
    this.#options.logger.error({ attemptId, requestId, provider, why }, "what a batch consumed is not known; budgets count it at its bound until `weir ledger reconcile` says better");
    await deleteBatch(database, attemptId);
  }
}

/** By the provider, and whose account there it is. */
function accountOf({ intent, credentialOrganizationId }: ExpectedBatch): string {
  return `${intent.provider} ${credentialOrganizationId}`;
}

function eventOf(intent: AttemptIntent, { result, endTimeMs, summary }: BatchEnding & { readonly endTimeMs: number }): UsageEvent {
  const { usage, finishReason, servedModel, serviceTier } = summary;
  const outcome = create(AttemptOutcomeSchema, {
    result,
    finishReason,
    servedModel,
    serviceTier,
    ...(usage === undefined ? {} : { usage }),
    durationMs: BigInt(Math.max(0, endTimeMs - (timeOfId(intent.attemptId) ?? endTimeMs))),
    endTime: timestampFromMs(endTimeMs),
  });
  return create(UsageEventSchema, { intent, outcome, rank: usage?.source ?? 0 });
}
