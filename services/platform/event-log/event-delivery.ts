/** Owns bringing settled journal entries to whoever confirms them, again and again until it has; the transport is given. */
import type { Clock } from "../clock.ts";
import type { Logger } from "../logger.ts";
import type { SettledRecord } from "../journal/journal.ts";
import type { DeliverableEvent, DeliveryReceipt, EventTransport } from "./event-transport.ts";

export interface EventDeliveryOptions<Event> {
  readonly journal: {
    confirm(ids: readonly string[]): void;
    read(ids: readonly string[]): Promise<readonly SettledRecord[]>;
  };
  /** The event that an entry of the journal stands for. */
  readonly decode: (record: SettledRecord) => Event;
  readonly transport: EventTransport<Event>;
  /** The most events in a batch. */
  readonly batchMaximum: number;
  /** Numbers from 0 up to 1, for the jitter. */
  readonly random: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface EventDelivery<Event> {
  /** Takes what an earlier process left in the journal. */
  start(recovered: readonly { readonly id: string }[]): void;
  /** Takes an event; call it after the journal's `settle`, durable or not. */
  add(id: string, event: Event): void;
  /** Events that are not confirmed. */
  readonly pending: number;
  /** Goes on until nothing is pending or the time is over; resolves to what is left. */
  drain(deadlineMs: number): Promise<number>;
  /** Ends delivering; what is left stays in the journal. Resolves when no batch is in flight. */
  stop(): Promise<void>;
}

/**
 * A batch begins this long after the one before it began, unless it is full or the process drains. A batch costs the ledger
 * a transaction and both sides a call, whatever is in it; nobody waits for it. An event after a quiet time goes at once.
 */
const batchIntervalMs = 100;
const deliveryTimeoutMs = 30_000;
const firstRetryMs = 100;
const longestRetryMs = 5_000;
/** Decoded events kept in memory; of those beyond, only the id is, and they are read from the journal when their turn comes. */
const eventsInMemory = 10_000;

export function createEventDelivery<Event>(options: EventDeliveryOptions<Event>): EventDelivery<Event> {
  const { journal, decode, transport, batchMaximum, random, clock, logger } = options;
  /** What waits, oldest first; the event, where it is in memory. */
  const waiting = new Map<string, Event | undefined>();
  let kept = 0;
  let inFlight = 0;
  let batchLimit = batchMaximum;
  let failures = 0;
  let lastBatchMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  const stopped = new AbortController();
  const idleListeners = new Set<() => void>();
  const isHurried = (): boolean => waiting.size >= batchLimit || idleListeners.size > 0;

  return {
    start(recovered) {
      for (const { id } of recovered) enqueue(id, undefined);
      schedule();
    },
    add(id, event) {
      enqueue(id, kept < eventsInMemory ? event : undefined);
      if (waiting.size === batchLimit) hurry();
      schedule();
    },
    get pending() {
      return waiting.size + inFlight;
    },
    drain,
    async stop() {
      stopped.abort();
      clearTimeout(timer);
      await sending;
    },
  };

  function enqueue(id: string, event: Event | undefined): void {
    waiting.set(id, event);
    if (event !== undefined) kept++;
  }

  function schedule(): void {
    if (timer !== undefined || sending !== undefined || waiting.size === 0 || stopped.signal.aborted) return;
    const restMs = isHurried() ? 0 : Math.max(0, lastBatchMs + batchIntervalMs - clock.monotonicMs());
    timer = setTimeout(() => {
      timer = undefined;
      sending = sendBatch().finally(() => {
        sending = undefined;
        if (waiting.size === 0) for (const listener of idleListeners) listener();
        schedule();
      });
    }, failures > 0 ? retryDelayMs() : restMs);
  }

  function hurry(): void {
    if (timer === undefined || failures > 0) return;
    clearTimeout(timer);
    timer = undefined;
    schedule();
  }

  function retryDelayMs(): number {
    return (0.5 + random() / 2) * Math.min(longestRetryMs, firstRetryMs * 2 ** (failures - 1));
  }

  async function sendBatch(): Promise<void> {
    lastBatchMs = clock.monotonicMs();
    const batch = takeBatch();
    inFlight = batch.size;
    try {
      const events = await loadEvents(batch);
      if (events.length > 0) settleBatch(batch, await transport.deliver(events, AbortSignal.any([stopped.signal, AbortSignal.timeout(deliveryTimeoutMs)])));
    } catch (error) {
      failures++;
      // Smaller batches, and the failed one last, so that an event that cannot be delivered does not hold up the others.
      batchLimit = Math.max(1, Math.floor(batch.size / 2));
      if (!stopped.signal.aborted) logger.warn({ events: batch.size, failures, error }, "events could not be delivered; they stay in the journal and are sent again");
    }
    inFlight = 0;
    for (const [id, event] of batch) enqueue(id, event);
  }

  function takeBatch(): Map<string, Event | undefined> {
    const batch = new Map<string, Event | undefined>();
    for (const [id, event] of waiting) {
      if (batch.size === batchLimit) break;
      batch.set(id, event);
      waiting.delete(id);
      if (event !== undefined) kept--;
    }
    return batch;
  }

  /** The events of a batch; what is not in the journal any more leaves it. */
  async function loadEvents(batch: Map<string, Event | undefined>): Promise<DeliverableEvent<Event>[]> {
    const events: DeliverableEvent<Event>[] = [];
    const absent: string[] = [];
    for (const [id, event] of batch) {
      if (event === undefined) absent.push(id);
      else events.push({ id, event });
    }
    if (absent.length > 0) {
      const records = await journal.read(absent);
      for (const id of absent) batch.delete(id);
      for (const record of records) batch.set(record.id, undefined);
      for (const record of records) events.push({ id: record.id, event: decode(record) });
    }
    return events;
  }

  /** Removes from the batch what the other side has answered for. */
  function settleBatch(batch: Map<string, Event | undefined>, { confirmedIds, rejectedIds }: DeliveryReceipt): void {
    for (const id of rejectedIds) logger.error({ id }, "an event was rejected for good; it is let go here");
    const answered = [...confirmedIds, ...rejectedIds].filter((id) => batch.delete(id));
    journal.confirm(answered);
    failures = answered.length > 0 ? 0 : failures + 1;
    batchLimit = Math.min(batchMaximum, batchLimit * 2);
    if (batch.size > 0) logger.warn({ events: batch.size }, "events were delivered but not confirmed; they are sent again");
  }

  function drain(deadlineMs: number): Promise<number> {
    if (waiting.size + inFlight === 0) return Promise.resolve(0);
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(deadline);
        idleListeners.delete(finish);
        resolve(waiting.size + inFlight);
      };
      const deadline = setTimeout(finish, deadlineMs);
      idleListeners.add(finish);
      hurry();
    });
  }
}
