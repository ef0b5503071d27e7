/**
 * Owns the settlement of batches. The attempt that makes one ends with its usage unreported, for which budgets count its bound; when the
 * vendor says that the batch is over, a second event of the same attempt, of a higher rank, says what it consumed, as the vendor sums it up
 * or as the batch's results add up. It may be sent any number of times and counts once (docs/decisions/a-batch-is-one-attempt.md).
 */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AttemptOutcomeSchema, UsageEventSchema, type AttemptIntent, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import type { EventTransport } from "#platform/event-log/event-transport.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import { timeOfId } from "#platform/ids.ts";
import { keepTrying } from "#platform/keep-trying.ts";
import type { Logger } from "#platform/logger.ts";
import type { BatchAdapter, BatchEnding, VendorBatch } from "./domain/batch.ts";
import type { CredentialSource } from "./domain/credentials/credential-source.ts";
import type { LiveProviders } from "./edge/live-providers.ts";
import { claimBatches, deleteBatch, insertBatch, selectBatch, selectBatchCalled, type ExpectedBatch } from "./store/expected-batches.ts";
import { deleteMadeBefore, noteMade, selectMade, type BatchAccount } from "./store/made-batches.ts";
import { VendorBatches } from "./vendor-batches.ts";

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
  readonly replyTimeoutMs?: number;
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
/** Results that the vendor does not have, or that say something else than it says of the batch. */
const lostReasons: ReadonlySet<string> = new Set(["UPSTREAM_REJECTED", "UPSTREAM_PROTOCOL"]);
/** Of an organization's in one account: more than a caller who lists them is shown. */
const mostListed = 5_000;
/** Results are there for 29 days, and a batch without them is of no use: https://platform.claude.com/docs/en/build-with-claude/batch-processing */
const listedForMs = 30 * 24 * 3_600_000;
const nothing: ReadonlyMap<string, VendorBatch> = new Map();

export class BatchSettlement {
  readonly #options: BatchSettlementOptions;
  readonly #stopping = new AbortController();
  readonly #vendors: VendorBatches;
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;
  readonly #working = new Set<Promise<void>>();
  /** By attempt: what asks again meanwhile waits for the same one. */
  readonly #settling = new Map<string, Promise<void>>();

  constructor(options: BatchSettlementOptions) {
    this.#options = options;
    this.#vendors = new VendorBatches({ ...options, signal: this.#stopping.signal });
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

  /** The vendor has made it, and nothing but this id says which it is. Resolves when that is noted, or the process stops. */
  async made({ attemptId, attribution }: AttemptIntent, vendorId: string): Promise<void> {
    const { clock, logger } = this.#options;
    const noted = new AbortController();
    const note = async (database: Database): Promise<void> => {
      await noteMade(database, attemptId, vendorId, attribution?.organizationId ?? "", new Date(clock.now()));
      noted.abort();
    };
    const onFailure = (error: unknown): void => logger.warn({ attemptId, error }, "what the vendor calls a new batch cannot be noted; it is tried again");
    await this.#run((database) => keepTrying(() => note(database), { signal: AbortSignal.any([noted.signal, this.#stopping.signal]), onFailure }));
  }

  /** The vendor's ids of the organization's own batches there, of vendors that keep no mark of whose one is. */
  async madeBy(organizationId: string, account: BatchAccount): Promise<ReadonlySet<string>> {
    const { database: open } = this.#options;
    return open === undefined ? new Set() : selectMade(await open(), account, organizationId, mostListed);
  }

  /** A reply to a caller, from this account, tells of a batch. Whoever has an account of its own there can have written into it what it likes. */
  seen(batch: VendorBatch, account: BatchAccount): void {
    if (batch.ending === undefined || (batch.attemptId === "" && batch.id === "")) return;
    void this.#run(async (database) => {
      const expected = batch.attemptId === "" ? await selectBatchCalled(database, batch.id, account) : await selectBatch(database, batch.attemptId);
      if (expected?.credentialOrganizationId === account.credentialOrganizationId) await this.#settle(database, expected, batch);
    });
  }

  /**
   * A batch is about to be deleted, and its results with it, which alone tell what it consumed: first the ledger hears of that. Throws
   * INVALID_REQUEST while it is not over, DEPENDENCY_UNAVAILABLE when the ledger cannot be told, and what the vendor says against a look at it.
   */
  async settleBeforeDeletion(vendorId: string, account: BatchAccount): Promise<void> {
    const { database: open, providers } = this.#options;
    const database = await open?.();
    const expected = database && (await selectBatchCalled(database, vendorId, account));
    if (database === undefined || expected === undefined) return;
    const provider = providers.get(account.provider, undefined);
    const adapter = provider.config.adapter.batches!;
    const batch = await this.#vendors.ask(provider, provider.credentials.ownedBy(account.credentialOrganizationId)!, adapter.lookRequest!(vendorId), (body) => adapter.readBatch(body));
    if (batch.ending === undefined) throw new GatewayError("INVALID_REQUEST", "The batch is not over, and can be deleted when it is. Cancel it first, or wait.");
    const cause: unknown = await this.#settle(database, expected, batch).catch((error: unknown) => error);
    if ((await selectBatchCalled(database, vendorId, account)) === undefined) return;
    const why = cause === undefined ? "the ledger has not confirmed it" : toGatewayError(cause).reason;
    throw new GatewayError("DEPENDENCY_UNAVAILABLE", `The ledger cannot be told now what the batch consumed, and could not be told later if it were deleted (${why}). Try again soon.`, { metadata: { dependency: "metering" }, retryAfterMs: 1_000, cause });
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
    await Promise.all(this.#working);
  }

  /** What fails here is done when it is looked again. */
  #run(work: (database: Database) => Promise<void>): Promise<void> {
    const { database: open, logger } = this.#options;
    if (open === undefined || this.#stopping.signal.aborted) return Promise.resolve();
    const running = open()
      .then(work)
      .catch((error: unknown) => logger.warn({ error }, "batches cannot be settled; it is tried again"))
      .finally(() => this.#working.delete(running));
    this.#working.add(running);
    return running;
  }

  async #lookForDue(database: Database): Promise<void> {
    const { clock, logger, lookIntervalMs = defaultLookIntervalMs } = this.#options;
    const nowMs = clock.now();
    await deleteMadeBefore(database, new Date(nowMs - listedForMs));
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
    const found = credentials === undefined ? nothing : await this.#vendors.listSince(provider, credentials, adapter, Math.min(...expected.map(({ beginTimeMs }) => beginTimeMs)) - skewMs);
    for (const one of expected) {
      const batch = found.get(adapter.mark === undefined ? one.vendorId : one.intent.attemptId);
      if (batch?.ending !== undefined) await this.#settleListed(database, one, batch);
      else if (batch === undefined) await this.#giveUpOld(database, [one], whyNotFound(one, adapter, credentials));
      else if (this.#isForgotten(one)) await this.#giveUp(database, one, "the vendor has not ended it within 30 days");
    }
  }

  /** One whose results cannot be had keeps the others from nothing. */
  async #settleListed(database: Database, expected: ExpectedBatch, batch: VendorBatch): Promise<void> {
    try {
      await this.#settle(database, expected, batch);
    } catch (error) {
      const { attemptId, provider } = expected.intent;
      this.#options.logger.warn({ attemptId, provider, error }, "a batch that is over cannot be settled; it is tried again");
      if (error instanceof GatewayError && lostReasons.has(error.reason)) await this.#giveUpOld(database, [expected], "its results cannot be had");
      else if (this.#isForgotten(expected)) await this.#giveUp(database, expected, "its results could not be had for 30 days");
    }
  }

  /** The vendor does not keep its results any more. */
  #isForgotten({ beginTimeMs }: ExpectedBatch): boolean {
    return this.#options.clock.now() - beginTimeMs > listedForMs;
  }

  async #giveUpOld(database: Database, expected: readonly ExpectedBatch[], why: string): Promise<void> {
    for (const one of expected) if (this.#options.clock.now() - one.beginTimeMs > givenUpAfterMs) await this.#giveUp(database, one, why);
  }

  /** Of a batch that is over. */
  #settle(database: Database, expected: ExpectedBatch, batch: VendorBatch): Promise<void> {
    const { attemptId } = expected.intent;
    let settling = this.#settling.get(attemptId);
    if (settling === undefined) {
      settling = this.#settleOnce(database, expected, batch).finally(() => this.#settling.delete(attemptId));
      this.#settling.set(attemptId, settling);
    }
    return settling;
  }

  async #settleOnce(database: Database, expected: ExpectedBatch, { ending }: VendorBatch): Promise<void> {
    const { attemptId } = expected.intent;
    const { result, endTimeMs = this.#options.clock.now(), summary: said, results } = ending!;
    const summary = results === undefined ? said : { ...said, ...(await this.#vendors.sumUp(expected, results)) };
    if (summary.usage === undefined) return this.#giveUp(database, expected, "the vendor does not say what it consumed");
    const { confirmedIds, rejectedIds } = await this.#options.transport.deliver([{ id: attemptId, event: eventOf(expected.intent, { result, endTimeMs, summary }) }], this.#stopping.signal);
    if (confirmedIds.includes(attemptId) || rejectedIds.includes(attemptId)) await deleteBatch(database, attemptId);
  }

  /** It stays in the ledger as it is: unreported, and counted at its bound. */
  async #giveUp(database: Database, { intent }: ExpectedBatch, why: string): Promise<void> {
    const { attemptId, requestId, provider } = intent;
    this.#options.logger.error({ attemptId, requestId, provider, why }, "what a batch consumed is not known; budgets count it at its bound until `weir ledger reconcile` says better");
    await deleteBatch(database, attemptId);
  }
}

function whyNotFound({ vendorId }: ExpectedBatch, adapter: BatchAdapter, credentials: CredentialSource | undefined): string {
  if (credentials === undefined) return "its organization has taken back the credential that made it";
  return adapter.mark === undefined && vendorId === "" ? "the vendor's reply, which alone says what it is called, did not come, or Weir was stopped before that was noted" : "the vendor does not list it";
}

/** By the provider, and whose account there it is. */
function accountOf({ intent, credentialOrganizationId }: ExpectedBatch): string {
  return `${intent.provider} ${credentialOrganizationId}`;
}

function eventOf(intent: AttemptIntent, { result, endTimeMs, summary }: Pick<BatchEnding, "result" | "summary"> & { readonly endTimeMs: number }): UsageEvent {
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
