/** Owns what providers remembers of attempts: the intent before the vendor sees a byte, the outcome after, until the ledger has both. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AttemptIntentSchema,
  AttemptOutcomeSchema,
  AttemptResult,
  UsageEventSchema,
  type AttemptIntent,
  type AttemptOutcome,
  type UsageEvent,
} from "#gen/weir/metering/v1/usage_event_pb.ts";
import { UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { lockDirectory } from "#platform/directory-lock.ts";
import { createEventDelivery, type EventDelivery } from "#platform/event-log/event-delivery.ts";
import type { DeliverableEvent, EventTransport } from "#platform/event-log/event-transport.ts";
import type { JournalRegistry } from "#platform/event-log/journal-registry.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { realDisk } from "#platform/journal/disk.ts";
import { Journal, type BegunRecord, type SettledRecord } from "#platform/journal/journal.ts";
import type { Logger } from "#platform/logger.ts";
import { JournalReporter } from "./journal-reporter.ts";

/** Where a journal lies. */
export interface JournalPlace {
  /** Names the directory among those of the installation. */
  readonly instance: string;
  readonly directory: string;
}

export interface AttemptRecorderOptions extends JournalPlace {
  readonly maximumBytes: number;
  /** The way to the ledger. */
  readonly transport: EventTransport<UsageEvent>;
  /** The way to its register of journals. */
  readonly registry: JournalRegistry;
  /** Told why, when no attempt can begin until the process is started again. */
  readonly onUnfit?: ((why: string) => void) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A quarter of what RecordUsage takes at once: where the ledger is in this process, a larger batch would hold up its requests. */
const batchMaximum = 250;
/** How long a stop waits for the ledger; what is left is delivered after the next start. */
const drainMs = 3_000;

export class AttemptRecorder {
  readonly #journal: Journal;
  readonly #delivery: EventDelivery<UsageEvent>;
  readonly #reporter: JournalReporter;
  readonly #clock: Clock;
  readonly #logger: Logger;

  /** Opens the journal. What an earlier process left goes to the ledger: its outcomes again, its open intents as they stood at their last checkpoint, or as orphans. */
  static async open(options: AttemptRecorderOptions): Promise<AttemptRecorder> {
    const { directory, maximumBytes, onUnfit, clock, logger } = options;
    const { journal, recovered } = await Journal.open({
      directory,
      maximumBytes,
      disk: realDisk,
      lock: lockDirectory,
      newId: () => newId("jrn", clock),
      logger,
      onBroken: (error) => {
        logger.fatal({ error }, "the journal cannot be written: no attempt can be made until Weir is started again");
        onUnfit?.("a restart: its journal cannot be written");
      },
    });
    const recorder = new AttemptRecorder(journal, options);
    recorder.#settleBegun(recovered.begun);
    recorder.#delivery.start(recovered.settled);
    recorder.#reporter.start();
    return recorder;
  }

  #isFenced = false;

  readonly #onUnfit: AttemptRecorderOptions["onUnfit"];

  private constructor(journal: Journal, { instance, transport, registry, onUnfit, clock, logger }: AttemptRecorderOptions) {
    this.#journal = journal;
    this.#clock = clock;
    this.#logger = logger;
    this.#onUnfit = onUnfit;
    this.#delivery = createEventDelivery<UsageEvent>({
      journal,
      decode: readSettled,
      transport: { deliver: (events, signal) => transport.deliver(this.#signed(events), signal) },
      batchMaximum,
      random: Math.random,
      clock,
      logger,
    });
    this.#reporter = new JournalReporter({ journal, registry, instance, onFenced: () => this.#fence(), clock, logger });
  }

  /** Resolves when the intent is durable. Throws JOURNAL_FULL when there is no room, JOURNAL_FENCED when the journal was declared lost. */
  async begin(intent: AttemptIntent): Promise<void> {
    if (this.#isFenced) {
      throw new GatewayError("JOURNAL_FENCED", `The journal ${this.#journal.id} of this process was declared lost, so it makes no attempts; nothing was sent. Start it again, or call another instance.`, {
        metadata: { journal: this.#journal.id },
      });
    }
    const { attemptId } = intent;
    const bytes = toBinary(AttemptIntentSchema, intent);
    await this.#journal.begin(attemptId, bytes);
    this.#reporter.begun(attemptId, bytes);
  }

  /** Notes what the attempt's outcome is if this process dies now: ORPHANED while it is under way. Nobody waits for it. */
  checkpoint({ attemptId }: AttemptIntent, soFar: AttemptOutcome): void {
    this.#journal.checkpoint(attemptId, toBinary(AttemptOutcomeSchema, soFar));
  }

  /** Takes the outcome of an attempt that was begun, and brings it to the ledger; nobody need wait for that. */
  settle(intent: AttemptIntent, outcome: AttemptOutcome): void {
    const { attemptId } = intent;
    this.#journal.settle(attemptId, toBinary(AttemptOutcomeSchema, outcome)).catch((error: unknown) => {
      // The intent stands in the journal: should the ledger not get the event either, the next start makes an orphan of it.
      this.#logger.error({ attemptId, error }, "an attempt's outcome could not be written to the journal");
    });
    this.#reporter.settled(attemptId);
    this.#delivery.add(attemptId, eventOf(intent, outcome));
  }

  get journalUsage(): Journal["usage"] {
    return this.#journal.usage;
  }

  /** What the ledger has not confirmed. */
  get pending(): number {
    return this.#delivery.pending;
  }

  /** Delivers until the ledger has confirmed all, or the time is over; resolves to what is left. */
  drain(deadlineMs: number): Promise<number> {
    return this.#delivery.drain(deadlineMs);
  }

  /** Delivers what it can in time, and closes the journal. */
  async stop(): Promise<void> {
    const left = await this.#delivery.drain(drainMs);
    if (left > 0) this.#logger.warn({ events: left }, "events wait in the journal for the ledger; the next start delivers them");
    await this.#delivery.stop();
    await this.#reporter.stop();
    await this.#journal.close();
  }

  /** Begins nothing and delivers nothing any more. */
  #fence(): void {
    this.#isFenced = true;
    this.#onUnfit?.(`a restart: its journal ${this.#journal.id} was declared lost`);
    void this.#delivery.stop();
  }

  #settleBegun(begun: readonly BegunRecord[]): void {
    for (const { payload, checkpoint } of begun) {
      const unknown = { result: AttemptResult.ORPHANED, endTime: timestampFromMs(this.#clock.now()) };
      const outcome = checkpoint === undefined ? create(AttemptOutcomeSchema, unknown) : fromBinary(AttemptOutcomeSchema, checkpoint);
      this.settle(fromBinary(AttemptIntentSchema, payload), outcome);
    }
  }

  /** With the journal's id, which may change while they wait. */
  #signed(events: readonly DeliverableEvent<UsageEvent>[]): readonly DeliverableEvent<UsageEvent>[] {
    for (const { event } of events) event.journalId = this.#journal.id;
    return events;
  }
}

function readSettled({ beginPayload, settlePayload }: SettledRecord): UsageEvent {
  return eventOf(fromBinary(AttemptIntentSchema, beginPayload), fromBinary(AttemptOutcomeSchema, settlePayload));
}

// Copied for every attempt, as in domain/attempt-intent.ts.
const emptyEvent = create(UsageEventSchema);

function eventOf(intent: AttemptIntent, outcome: AttemptOutcome): UsageEvent {
  const rank = outcome.result === AttemptResult.ORPHANED ? UsageSource.ORPHANED : (outcome.usage?.source ?? UsageSource.UNSPECIFIED);
  return { ...emptyEvent, intent, outcome, rank };
}
