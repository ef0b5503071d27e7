/** Owns telling metering of a journal: that there is one, what is open in it, how far it is; and hearing that it was declared lost. */
import { setTimeout as pause } from "node:timers/promises";
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { JournalState, ReportJournalRequestSchema, type ReportJournalRequest } from "#gen/weir/metering/v1/journal_pb.ts";
import { AttemptIntentSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { JournalRegistry } from "#platform/event-log/journal-registry.ts";
import { newId, timeOfId } from "#platform/ids.ts";
import type { Journal } from "#platform/journal/journal.ts";
import type { Logger } from "#platform/logger.ts";
import { maximumAgeMs } from "../domain/sent-attempts.ts";

export interface JournalReporterOptions {
  readonly journal: Pick<Journal, "id" | "changeId" | "unconfirmedIds" | "has" | "read" | "usage">;
  readonly registry: JournalRegistry;
  /** The folder's name, for people. */
  readonly instance: string;
  /** The journal was declared lost while this process wrote it. */
  readonly onFenced: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs?: number;
}

/** What began and was confirmed between two reports is in none; what a lost disk takes of what began after the last one, nobody learns. */
const reportIntervalMs = 2_000;
const answerTimeoutMs = 2_000;
/** A stop waits for a last answer no longer. */
const lastAnswerTimeoutMs = 1_000;
/** A report says no more at once: NATS takes messages up to 1 MiB. */
const maximumOpened = 500;
const maximumOpenedBytes = 512 * 1024;
const maximumClosed = 1_000;

export class JournalReporter {
  readonly #options: JournalReporterOptions;
  /** Intents of attempts under way, encoded, by attempt id. */
  readonly #open = new Map<string, Uint8Array>();
  /** Attempts that metering knows to be unconfirmed. */
  readonly #known = new Set<string>();
  readonly #stopping = new AbortController();
  #isRegistered = false;
  #isFenced = false;
  #hasFailed = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: JournalReporterOptions) {
    this.#options = options;
  }

  /** Reports at once, and every few seconds until it is stopped. */
  start(): void {
    this.#running = this.#reportOn();
  }

  begun(attemptId: string, intent: Uint8Array): void {
    this.#open.set(attemptId, intent);
  }

  settled(attemptId: string): void {
    this.#open.delete(attemptId);
  }

  /** Reports once more: that the journal has ended, where nothing is unconfirmed in it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    if (!this.#isFenced) await this.#tryReport(AbortSignal.timeout(lastAnswerTimeoutMs));
  }

  async #reportOn(): Promise<void> {
    while (!this.#stopping.signal.aborted && !this.#isFenced) {
      await this.#tryReport(AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(answerTimeoutMs)]));
      await pause(this.#options.intervalMs ?? reportIntervalMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  async #tryReport(signal: AbortSignal): Promise<void> {
    try {
      // More than fits into one: the next one follows at once.
      while (await this.#report(signal));
      this.#hasFailed = false;
    } catch (error) {
      const { journal, logger } = this.#options;
      if (!this.#hasFailed && !this.#stopping.signal.aborted) logger.warn({ journalId: journal.id, error }, "metering cannot be told how far the journal is; it is told again every few seconds");
      this.#hasFailed = true;
    }
  }

  /** Resolves to true when there is more to say. */
  async #report(signal: AbortSignal): Promise<boolean> {
    const { registry } = this.#options;
    const { request, isAll } = await this.#compose();
    const { state, openAttemptIds } = await registry.report(request, signal);
    if (state === JournalState.LOST) return this.#hearLost();
    this.#isRegistered = true;
    for (const { attemptId } of request.opened) this.#known.add(attemptId);
    for (const attemptId of openAttemptIds) this.#known.add(attemptId);
    for (const attemptId of request.closedAttemptIds) this.#known.delete(attemptId);
    return !isAll;
  }

  async #compose(): Promise<{ readonly request: ReportJournalRequest; readonly isAll: boolean }> {
    const { intents, isAll: areAllOpened } = await this.#untold();
    const { journal, instance, clock } = this.#options;
    const request = create(ReportJournalRequestSchema, { journalId: journal.id, instance, lowWaterTime: timestampFromMs(this.#lowWaterMs(clock.now())), unconfirmed: BigInt(journal.usage.entries) });
    request.opened = intents.map((intent) => fromBinary(AttemptIntentSchema, intent));
    let isAll = areAllOpened;
    for (const attemptId of this.#known) {
      if (journal.has(attemptId)) continue;
      if (request.closedAttemptIds.push(attemptId) < maximumClosed) continue;
      isAll = false;
      break;
    }
    request.isFirst = !this.#isRegistered;
    request.isClosed = isAll && this.#stopping.signal.aborted && journal.usage.entries === 0;
    return { request, isAll };
  }

  /** Of what metering has not heard of, the oldest, as much as fits: also what has ended, for nothing else says so while events do not arrive. */
  async #untold(): Promise<{ readonly intents: readonly Uint8Array[]; readonly isAll: boolean }> {
    const { journal } = this.#options;
    const untold: [id: string, intent: Uint8Array | undefined][] = [];
    for (const id of journal.unconfirmedIds()) {
      if (!this.#known.has(id)) untold.push([id, this.#open.get(id)]);
      if (untold.length > maximumOpened) break;
    }
    const ended = untold.filter(([, intent]) => intent === undefined).map(([id]) => id);
    // A disk that fails is told of elsewhere, and what is under way is known without it.
    const read = new Map((await journal.read(ended).catch(() => [])).map(({ id, beginPayload }) => [id, beginPayload]));
    const intents: Uint8Array[] = [];
    let bytes = 0;
    for (const [id, known] of untold) {
      const intent = known ?? read.get(id);
      if (intent === undefined) continue;
      bytes += intent.length;
      if (intents.length === maximumOpened || bytes > maximumOpenedBytes) return { intents, isAll: false };
      intents.push(intent);
    }
    return { intents, isAll: true };
  }

  /** Ids sort by the time that is in them; one that is yet to begin may be as old as providers accept. */
  #lowWaterMs(nowMs: number): number {
    let oldest: string | undefined;
    for (const attemptId of this.#options.journal.unconfirmedIds()) if (oldest === undefined || attemptId < oldest) oldest = attemptId;
    return Math.min(nowMs - maximumAgeMs, (oldest === undefined ? undefined : timeOfId(oldest)) ?? Infinity);
  }

  /**
   * A journal that was lost before this process came is found again: under a new id what is in it corrects the orphans that were made of
   * it. One that is lost while this process writes it ends here: whoever declared it must not be wrong about what is still to come.
   */
  async #hearLost(): Promise<boolean> {
    const { journal, onFenced, clock, logger } = this.#options;
    if (this.#isRegistered) {
      this.#isFenced = true;
      logger.fatal({ journalId: journal.id }, "the journal of this process was declared lost: it begins no attempt any more, and what it has not delivered waits. Start it again");
      onFenced();
      return false;
    }
    const lostId = journal.id;
    await journal.changeId(newId("jrn", clock));
    logger.warn({ lostId, journalId: journal.id }, "a journal that was declared lost is found again; what is in it goes to the ledger under a new id");
    return true;
  }
}
