/** Owns the way to the ledger through NATS JetStream: publish, then wait for metering's own word, for a broker's acknowledgement proves nothing. */
import { fromBinary } from "@bufbuild/protobuf";
import { jetstream, JetStreamApiCodes, JetStreamApiError, type JetStreamClient } from "@nats-io/jetstream";
import { headers, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { EventConfirmationSchema } from "#gen/weir/metering/v1/event_confirmation_pb.ts";
import type { UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { DeliverableEvent, DeliveryReceipt, EventTransport } from "./event-transport.ts";
import type { NatsLink } from "./nats-link.ts";
import { confirmationTimeoutMs, confirmHeader, confirmSubjectOf, toEventMessage, type EventMessage } from "./nats-message.ts";

const publishesAtOnce = 64;
const publishTries = 2;
/** Answers kept that no delivery waits for (yet): those that came late. */
const maximumAnswers = 10_000;

export interface NatsTransportOptions {
  readonly link: NatsLink;
  readonly logger: Logger;
  readonly patience?: Patience;
}

/** How long the emitter waits. */
export interface Patience {
  /** For NATS to take an event. A publish while the client reconnects is lost without a word, so not long. */
  readonly publishMs: number;
  /** For metering's next word on a batch. */
  readonly confirmationMs: number;
}

const defaultPatience: Patience = { publishMs: 2_000, confirmationMs: confirmationTimeoutMs };

export function createNatsTransport({ link, logger, patience = defaultPatience }: NatsTransportOptions): EventTransport<UsageEvent> {
  const subject = confirmSubjectOf(link.instance);
  /** Metering's answers by the event's id, oldest first: true when it stands. */
  const answers = new Map<string, boolean>();
  const listeners = new Set<() => void>();
  let subscription: { readonly connection: NatsConnection; readonly subscription: Subscription } | undefined;

  return {
    async deliver(events, signal) {
      const connection = await link.connected(signal);
      listenOn(connection);
      const client = jetstream(connection);
      const batch = new Batch(events, answers);
      const { accepted, failure } = await publishAll(batch.open(), signal, (message) => publish(client, message, subject, patience.publishMs));
      batch.settle();
      if (failure !== undefined && accepted === 0 && batch.isUnanswered) {
        throw new GatewayError("DEPENDENCY_UNAVAILABLE", `NATS took none of ${events.length} events: ${describe(failure)}`, { cause: failure });
      }
      while (!batch.isDone && (await isNews(signal))) batch.settle();
      return batch.receipt;
    },
  };

  function listenOn(connection: NatsConnection): void {
    if (subscription?.connection === connection && !subscription.subscription.isClosed()) return;
    const opened = connection.subscribe(subject, {
      callback: (error, message) => {
        if (error !== null) logger.error({ subject, error }, "confirmations cannot be received: the NATS user needs the right to subscribe to their subject");
        else take(message.data);
      },
    });
    subscription = { connection, subscription: opened };
  }

  function take(bytes: Uint8Array): void {
    try {
      const { confirmedEventIds, rejectedEventIds } = fromBinary(EventConfirmationSchema, bytes);
      for (const id of confirmedEventIds) answers.set(id, true);
      for (const id of rejectedEventIds) answers.set(id, false);
    } catch (error) {
      logger.error({ subject, error }, "what came as a confirmation is none");
    }
    for (const id of answers.keys()) {
      if (answers.size <= maximumAnswers) break;
      answers.delete(id);
    }
    for (const listener of listeners) listener();
  }

  /** True when an answer has come; false when none did for too long, or the signal has fired. */
  function isNews(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const finish = (isIt: boolean): void => {
        clearTimeout(timer);
        listeners.delete(onAnswer);
        signal.removeEventListener("abort", onAbort);
        resolve(isIt);
      };
      const onAnswer = (): void => finish(true);
      const onAbort = (): void => finish(false);
      const timer = setTimeout(finish, patience.confirmationMs, false);
      listeners.add(onAnswer);
      signal.addEventListener("abort", onAbort);
    });
  }
}

/** The events of one delivery, and what is known of them. */
class Batch {
  readonly #answers: Map<string, boolean>;
  readonly #open = new Map<string, { readonly id: string; readonly message: EventMessage }>();
  readonly #confirmedIds: string[] = [];
  readonly #rejectedIds: string[] = [];

  constructor(events: readonly DeliverableEvent<UsageEvent>[], answers: Map<string, boolean>) {
    this.#answers = answers;
    for (const { id, event } of events) {
      const message = toEventMessage(event);
      this.#open.set(message.id, { id, message });
    }
    this.settle();
  }

  get receipt(): DeliveryReceipt {
    return { confirmedIds: this.#confirmedIds, rejectedIds: this.#rejectedIds };
  }

  get isDone(): boolean {
    return this.#open.size === 0;
  }

  get isUnanswered(): boolean {
    return this.#confirmedIds.length + this.#rejectedIds.length === 0;
  }

  open(): EventMessage[] {
    return Array.from(this.#open.values(), ({ message }) => message);
  }

  /** Takes the answers that have come for it. */
  settle(): void {
    for (const [messageId, { id }] of this.#open) {
      const stands = this.#answers.get(messageId);
      if (stands === undefined) continue;
      this.#answers.delete(messageId);
      this.#open.delete(messageId);
      (stands ? this.#confirmedIds : this.#rejectedIds).push(id);
    }
  }
}

interface Published {
  readonly accepted: number;
  /** Why the first of those that NATS did not take was not taken. */
  readonly failure: Error | undefined;
}

/** Publishes all, some at once; begins no more after a failure, for what failed one will fail the next. */
async function publishAll(messages: readonly EventMessage[], signal: AbortSignal, publishOne: (message: EventMessage) => Promise<void>): Promise<Published> {
  let next = 0;
  let accepted = 0;
  let failure: Error | undefined;
  const work = async (): Promise<void> => {
    while (next < messages.length && failure === undefined && !signal.aborted) {
      try {
        await publishOne(messages[next++]!);
        accepted++;
      } catch (error) {
        failure ??= error as Error;
      }
    }
  };
  const all = Promise.all(Array.from({ length: publishesAtOnce }, work));
  await Promise.race([all, fired(signal)]);
  return { accepted, failure };
}

function fired(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Resolves when NATS has the event, from now or before. */
async function publish(client: JetStreamClient, { id, subject, bytes }: EventMessage, confirmSubject: string, timeoutMs: number): Promise<void> {
  // Not shared: the client writes the id into them, and sends them again with a retry.
  const confirmTo = headers();
  confirmTo.set(confirmHeader, confirmSubject);
  try {
    await client.publish(subject, bytes, {
      msgID: id,
      headers: confirmTo,
      timeout: timeoutMs,
      retries: publishTries,
      // Each event has a subject of its own: while metering has not taken it, NATS refuses it a second place in the stream.
      expect: { lastSubjectSequence: 0 },
    });
  } catch (error) {
    if (!isAlreadyThere(error)) throw error;
  }
}

function describe(error: Error): string {
  // The client's word for everything that nobody answers; the class of this error it keeps to itself.
  return error.message === "jetstream is not enabled" ? "there is no stream for them. Metering makes it when it starts; JetStream must be on" : error.message;
}

function isAlreadyThere(error: unknown): boolean {
  return error instanceof JetStreamApiError && (error.code === JetStreamApiCodes.StreamWrongLastSequence || error.code === JetStreamApiCodes.StreamWrongLastSequenceUnknown);
}
