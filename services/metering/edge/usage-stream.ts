/** Owns the stream in which usage events wait for metering, and the durable consumer that all its replicas share: made or verified at each start. */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import { GatewayError } from "#platform/errors.ts";
import { duplicateWindowMs, eventSubjects } from "#platform/event-log/nats-message.ts";
import type { StreamLimits } from "#platform/event-log/nats-settings.ts";
import type { Logger } from "#platform/logger.ts";

export const streamName = "WEIR_USAGE";
export const consumerName = "metering";

/**
 * How long metering may take to post a batch before NATS gives it to another replica. Too short costs work, for an event that comes
 * twice is counted once; too long keeps what a killed replica had taken from the ledger.
 */
const ackWaitMs = 10_000;
/** The most events that are with all replicas together. */
const maximumAckPending = 2_000;

/**
 * Makes the stream and the consumer, or verifies those that are there. Limits are raised to the configuration's, never lowered: that
 * could drop what waits. Throws DEPENDENCY_UNAVAILABLE that names every difference that would break a law, and how to mend it.
 */
export async function ensureUsageStream(connection: NatsConnection, limits: StreamLimits, logger: Logger): Promise<void> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  await ensureStream(manager, streamConfig(limits), logger);
  await ensureConsumer(manager);
}

type WantedStream = ReturnType<typeof streamConfig>;

function streamConfig({ replicas, maximumBytes, maximumEvents, maximumAgeMs }: StreamLimits) {
  return {
    name: streamName,
    description: "Usage events on their way to Weir's ledger.",
    subjects: [eventSubjects],
    storage: StorageType.File,
    // What metering has acknowledged is gone; what finds no room is refused, and so stays with its emitter.
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    max_bytes: maximumBytes,
    max_msgs: maximumEvents,
    max_age: nanos(maximumAgeMs),
    duplicate_window: nanos(duplicateWindowMs),
  };
}

async function ensureStream(manager: JetStreamManager, wanted: WantedStream, logger: Logger): Promise<void> {
  const standing = await unlessAbsent(JetStreamApiCodes.StreamNotFound, manager.streams.info(streamName));
  if (standing === undefined) {
    await manager.streams.add(wanted);
    return;
  }
  const { config } = standing;
  refuse(`The stream ${streamName}`, `nats stream rm ${streamName}`, streamFaults(config, wanted));
  const { raised, larger } = compareLimits(config, wanted);
  if (larger.length > 0) logger.warn({ stream: streamName, larger }, "the stream's limits are wider than those configured; they are left as they are, since narrowing could drop events");
  if (Object.keys(raised).length > 0) {
    await manager.streams.update(streamName, raised);
    logger.info({ stream: streamName, limits: raised }, "the stream's limits were raised to those configured");
  }
}

function streamFaults(config: StreamConfig, wanted: WantedStream): string[] {
  const faults: string[] = [];
  const mustBe = (field: string, actual: string, expected: string, why: string): void => {
    if (actual !== expected) faults.push(`${field} is "${actual}" and must be "${expected}" (${why})`);
  };
  mustBe("subjects", config.subjects.join(", "), wanted.subjects.join(", "), "events of all organizations, and nothing else");
  mustBe("retention", config.retention, wanted.retention, "an event stays until metering has it, and goes then");
  mustBe("discard", config.discard, wanted.discard, "a full stream must refuse, not drop");
  mustBe("storage", config.storage, wanted.storage, "events must outlive the server's process");
  if (config.mirror !== undefined || (config.sources ?? []).length > 0) faults.push("it copies another stream");
  if (config.sealed) faults.push("it is sealed");
  return faults;
}

/** Limits that are to be raised, and the names of those that are wider than wanted. */
function compareLimits(config: StreamConfig, wanted: WantedStream): { raised: Partial<StreamConfig>; larger: string[] } {
  const raised: Partial<StreamConfig> = {};
  const larger: string[] = [];
  for (const field of ["max_bytes", "max_msgs", "max_age", "num_replicas"] as const) {
    // Absent, 0 and -1 are NATS's words for no limit.
    const actual = (config[field] ?? 0) <= 0 ? Infinity : config[field];
    if (actual < wanted[field]) raised[field] = wanted[field];
    else if (actual > wanted[field]) larger.push(field);
  }
  if (config.duplicate_window !== wanted.duplicate_window) raised.duplicate_window = wanted.duplicate_window;
  return { raised, larger };
}

async function ensureConsumer(manager: JetStreamManager): Promise<void> {
  const wanted = {
    durable_name: consumerName,
    description: "Shared by all replicas of metering.",
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: maximumAckPending,
    // What cannot be posted is dead-lettered by metering; NATS gives up on nothing by itself.
    max_deliver: -1,
  };
  const standing = await unlessAbsent(JetStreamApiCodes.ConsumerNotFound, manager.consumers.info(streamName, consumerName));
  if (standing === undefined) {
    await manager.consumers.add(streamName, wanted);
    return;
  }
  const { config } = standing;
  refuse(`The consumer ${consumerName} of the stream ${streamName}`, `nats consumer rm ${streamName} ${consumerName}`, consumerFaults(config));
  if (config.ack_wait !== wanted.ack_wait || config.max_ack_pending !== wanted.max_ack_pending || config.max_deliver !== wanted.max_deliver) {
    const { ack_wait, max_ack_pending, max_deliver } = wanted;
    await manager.consumers.update(streamName, consumerName, { ack_wait, max_ack_pending, max_deliver });
  }
}

function consumerFaults(config: ConsumerConfig): string[] {
  const faults: string[] = [];
  if (config.ack_policy !== AckPolicy.Explicit) faults.push(`ack_policy is "${config.ack_policy}" and must be "explicit" (an event may go only when it is posted)`);
  if (config.deliver_subject !== undefined) faults.push("it pushes, and metering pulls");
  if ((config.filter_subject ?? "") !== "" || (config.filter_subjects ?? []).length > 0) faults.push("it filters, and so leaves events behind");
  if (config.headers_only) faults.push("it gives headers alone, and so no event");
  return faults;
}

function refuse(what: string, removal: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw new GatewayError(
    "DEPENDENCY_UNAVAILABLE",
    `${what} cannot be used: ${faults.join("; ")}. Weir changes nothing by itself, for events could be lost. Change it, or remove it with "${removal}": ` +
      "what metering has not posted stands in its emitters' journals, and is sent again.",
  );
}

async function unlessAbsent<T>(absence: JetStreamApiCodes, answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === absence) return undefined;
    throw error;
  }
}
