/** Owns taking usage events from the event log: posted first, then confirmed to their emitter, then acknowledged to the broker. */
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { JsHeaders, jetstream, type JsMsg } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { EventConfirmationSchema, type EventConfirmation } from "#gen/weir/metering/v1/event_confirmation_pb.ts";
import { RecordUsageRequestSchema, type RecordUsageRequest, type RecordUsageResponse } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import type { UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import { confirmHeader, eventIdHeader, isConfirmSubject, readEventMessage } from "#platform/event-log/nats-message.ts";
import type { Logger } from "#platform/logger.ts";
import { consumerName, ensureUsageStream, streamName } from "./usage-stream.ts";

export interface UsageConsumerDependencies {
  readonly link: NatsLink;
  /** Posts the events in one transaction, as RecordUsage does. */
  readonly record: (request: RecordUsageRequest) => Promise<RecordUsageResponse>;
  /** Keeps as dead letters what `record` cannot be given, or cannot bear. */
  readonly setAside: (letters: readonly UnpostableEvent[]) => Promise<void>;
  readonly logger: Logger;
}

export interface UnpostableEvent {
  readonly id: string;
  readonly reason: string;
  readonly bytes: Uint8Array;
}

export interface UsageConsumer {
  /** Finishes what it has taken and takes no more; what it does not finish, another replica or the next start does. */
  stop(): Promise<void>;
}

/** The most events in one transaction, and the most that wait here for the next one. */
const batchMaximum = 250;
/** A pull ends after this long, and the next begins; it also bounds how late a stream that is gone is noticed. */
const pullMs = 10_000;
const firstRetryMs = 500;
const longestRetryMs = 30_000;
/** How long the consumer rests after a batch that the database did not take. */
const restMs = 1_000;
/** After so many deliveries, an event that fails alone, with a database that is up, is a dead letter. */
const maximumDeliveries = 10;

/** Starts at once; waits for NATS, and for a stream that can be used, as long as it takes. */
export function startUsageConsumer({ link, record, setAside, logger }: UsageConsumerDependencies): UsageConsumer {
  const stopping = new AbortController();
  const running = stayConsuming();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };

  async function stayConsuming(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; failures++) {
      try {
        const connection = await link.connected(stopping.signal);
        await ensureUsageStream(connection, link.settings.stream, logger);
        failures = 0;
        await consume(connection);
      } catch (error) {
        if (!stopping.signal.aborted) logger.error({ error, stream: streamName }, "usage events cannot be taken from NATS; it is tried again, and they wait");
      }
      await rest(retryDelayMs(failures));
    }
  }

  /** Runs until it is stopped, or the stream or the connection is gone for good. */
  async function consume(connection: NatsConnection): Promise<void> {
    const consumer = await jetstream(connection).consumers.get(streamName, consumerName);
    const messages = await consumer.consume({ max_messages: batchMaximum, expires: pullMs, abort_on_missing_resource: true });
    const stop = (): void => messages.stop();
    stopping.signal.addEventListener("abort", stop);
    if (stopping.signal.aborted) stop();
    let waiting: JsMsg[] = [];
    let posting: Promise<void> | undefined;
    // What arrives while one batch is posted is the next.
    const postWaiting = async (): Promise<void> => {
      await nextTurn();
      while (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        // Whatever goes wrong here, NATS gives the batch again when the wait for its acknowledgement is over.
        await post(connection, batch).catch((error: unknown) => logger.error({ events: batch.length, error }, "a batch of usage events was not brought to its end; it comes again"));
      }
      posting = undefined;
    };
    try {
      for await (const message of messages) {
        // Somebody may have changed the consumer since: what has no body is a dead letter only where NATS did not withhold it.
        if (message.headers?.has(JsHeaders.MessageSizeHdr)) await ensureUsageStream(connection, link.settings.stream, logger);
        waiting.push(message);
        posting ??= postWaiting();
        if (waiting.length === batchMaximum) await posting;
      }
    } finally {
      stopping.signal.removeEventListener("abort", stop);
      await posting;
    }
  }

  /** Brings each message of a batch to an end of its own: acknowledged, terminated, or given back for later. */
  async function post(connection: NatsConnection, batch: readonly JsMsg[]): Promise<void> {
    const readable: ReadMessage[] = [];
    const unreadable: FaultyMessage[] = [];
    for (const message of batch) {
      const event = readEventMessage({ id: eventIdOf(message), subject: message.subject, bytes: message.data });
      if ("fault" in event) unreadable.push({ message, reason: event.fault });
      else readable.push({ message, event });
    }
    const givenBack = [...(await bury(connection, unreadable)), ...(await postEvents(connection, readable))];
    for (const { message } of givenBack) message.nak(retryDelayMs(message.info.deliveryCount));
    if (givenBack.length > 0) await rest(restMs);
  }

  /** Posts what it can, and returns what has to come again. */
  async function postEvents(connection: NatsConnection, readable: readonly ReadMessage[]): Promise<readonly Message[]> {
    if (readable.length === 0) return [];
    let response: RecordUsageResponse;
    try {
      response = await record(create(RecordUsageRequestSchema, { events: readable.map(({ event }) => event) }));
    } catch (error) {
      if (readable.length > 1 && !isPassing(error)) {
        // One of them may be to blame: halve until it is alone.
        const middle = readable.length >> 1;
        return [...(await postEvents(connection, readable.slice(0, middle))), ...(await postEvents(connection, readable.slice(middle)))];
      }
      const [{ message }] = readable as [ReadMessage];
      if (!isPassing(error) && message.info.deliveryCount >= maximumDeliveries) {
        return bury(connection, [{ message, reason: `it failed ${message.info.deliveryCount} times: ${(error as Error).message}` }]);
      }
      logger.warn({ events: readable.length, error }, "usage events could not be posted; NATS gives them again later");
      return readable;
    }
    const refused = new Set(response.rejected.map(({ attemptId }) => attemptId));
    const fenced = new Set(response.fencedAttemptIds);
    const answered = readable.filter(({ event }) => !fenced.has(event.intent?.attemptId ?? ""));
    conclude(connection, answered.map(({ message, event }) => ({ message, stands: !refused.has(event.intent?.attemptId ?? "") })));
    // Without a word to the emitter: it keeps them, and sends them when its journal has an id again that is not fenced.
    for (const { message, event } of readable) if (fenced.has(event.intent?.attemptId ?? "")) message.term();
    return [];
  }

  /** Keeps dead letters, and returns what has to come again because they could not be kept. */
  async function bury(connection: NatsConnection, faulty: readonly FaultyMessage[]): Promise<readonly Message[]> {
    if (faulty.length === 0) return [];
    for (const { message, reason } of faulty) logger.error({ eventId: eventIdOf(message), reason }, "a message cannot be posted; it is kept as a dead letter");
    try {
      await setAside(faulty.map(({ message, reason }) => ({ id: eventIdOf(message), reason, bytes: message.data })));
    } catch (error) {
      logger.warn({ events: faulty.length, error }, "dead letters could not be kept; NATS gives them again later");
      return faulty;
    }
    conclude(connection, faulty.map(({ message }) => ({ message, stands: false })));
    return [];
  }

  async function rest(milliseconds: number): Promise<void> {
    await pause(milliseconds, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

interface Message {
  readonly message: JsMsg;
}

interface ReadMessage extends Message {
  readonly event: UsageEvent;
}

interface FaultyMessage extends Message {
  readonly reason: string;
}

/** Tells the emitters what stands and what never will, then the broker: should the connection break between, both come again. */
function conclude(connection: NatsConnection, outcomes: readonly { readonly message: JsMsg; readonly stands: boolean }[]): void {
  const confirmations = new Map<string, EventConfirmation>();
  for (const { message, stands } of outcomes) {
    const subject = message.headers?.get(confirmHeader) ?? "";
    if (!isConfirmSubject(subject)) continue;
    const confirmation = confirmations.get(subject) ?? create(EventConfirmationSchema);
    confirmations.set(subject, confirmation);
    (stands ? confirmation.confirmedEventIds : confirmation.rejectedEventIds).push(eventIdOf(message));
  }
  for (const [subject, confirmation] of confirmations) connection.publish(subject, toBinary(EventConfirmationSchema, confirmation));
  for (const { message, stands } of outcomes) {
    if (stands) message.ack();
    else message.term();
  }
}

function eventIdOf(message: JsMsg): string {
  return message.headers?.get(eventIdHeader) ?? "";
}

/** True when the database is away, or metering stops: no event is to blame. */
function isPassing(error: unknown): boolean {
  return error instanceof GatewayError && ["DEPENDENCY_UNAVAILABLE", "SHUTTING_DOWN"].includes(error.reason);
}

function retryDelayMs(failures: number): number {
  return Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures, 10));
}
