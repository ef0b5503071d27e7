/** Owns the two ends of an event log in tests: an emitter with a journal in memory, and metering on a real PostgreSQL. */
import type { UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { systemClock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import { createEventDelivery, type EventDelivery } from "#platform/event-log/event-delivery.ts";
import type { EventTransport } from "#platform/event-log/event-transport.ts";
import { connectNats, type NatsLink } from "#platform/event-log/nats-link.ts";
import { readNatsSettings, type StreamLimits } from "#platform/event-log/nats-settings.ts";
import { createNatsTransport } from "#platform/event-log/nats-transport.ts";
import type { SettledRecord } from "#platform/journal/journal.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger, type Logger } from "#platform/logger.ts";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { defaultLabels } from "../../services/metering/config.ts";
import { createMeteringService, migrationsDirectory } from "../../services/metering/service.ts";
import { reconcile, testNowMs, usageEvent } from "../../services/metering/usage-events.fixture.ts";
import { createTestDatabase } from "../harness/database.ts";
import { findNatsServer, startNatsServer, type NatsServer } from "../harness/nats-server.ts";

export const silent = createLogger("silent");

/** Short, so that a test does not wait as an operator would; the stream's duplicate window stays as it is. */
const testPatience = { publishMs: 300, confirmationMs: 500 };

export interface Ledger {
  readonly database: Database;
  readonly implementation: Awaited<ReturnType<typeof createMeteringService>>["implementation"];
  stop(): Promise<void>;
}

export async function createLedgerDatabase(): Promise<Database> {
  const database = await createTestDatabase({ schema: "metering", migrationsDirectory });
  onTestFinished(() => database.close());
  return database;
}

export async function startLedger(database: Database, eventLog?: NatsLink, logger: Logger = silent): Promise<Ledger> {
  const service = await createMeteringService({
    database,
    config: new MutableLiveValue({ prices: new Map(), lostJournalAfterMs: 900_000, labels: defaultLabels }),
    clock: { now: () => testNowMs, monotonicMs: () => 0 },
    logger,
    metrics: createMetricsRegistry(),
    ...(eventLog === undefined ? {} : { eventLog }),
  });
  onTestFinished(() => service.stop());
  return { database, implementation: service.implementation, stop: () => service.stop() };
}

/** A server of its own for the test; call it only where `findNatsServer` has found one. */
export async function startTestNats(configuration?: string): Promise<NatsServer> {
  const server = await startNatsServer((await findNatsServer())!, configuration);
  onTestFinished(() => server.stop());
  return server;
}

/** What an operator sees: how many events the stream holds. */
export async function eventsInStream(url: string): Promise<number> {
  return withManager(url, async (manager) => (await manager.streams.info("WEIR_USAGE")).state.messages);
}

/** Does something with the right of an operator. */
export async function withManager<T>(url: string, work: (manager: JetStreamManager, connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: url.replace("nats://", "") });
  try {
    return await work(await jetstreamManager(connection), connection);
  } finally {
    await connection.close();
  }
}

let links = 0;

/** A link that is closed after the test. */
export function openLink(url: string, { service = "weir", stream = {}, logger = silent }: { readonly service?: string; readonly stream?: Partial<StreamLimits>; readonly logger?: Logger } = {}): NatsLink {
  const settings = readNatsSettings(undefined, url)!;
  const limits = { ...settings.stream, maximumBytes: 64 * 1024 * 1024, ...stream };
  const link = connectNats({ settings: { ...settings, stream: limits }, service, instance: `test-${links++}`, logger });
  onTestFinished(() => link.close());
  return link;
}

export function natsTransport(link: NatsLink, logger: Logger = silent): EventTransport<UsageEvent> {
  return createNatsTransport({ link, logger, patience: testPatience });
}

export interface Emitter {
  readonly delivery: EventDelivery<UsageEvent>;
  /** Settles events in the journal, and hands them to the delivery. */
  emit(events: readonly UsageEvent[]): void;
  /** What the journal still holds. */
  readonly journal: ReadonlyMap<string, UsageEvent>;
}

export function startEmitter(transport: EventTransport<UsageEvent>, logger: Logger = silent): Emitter {
  const journal = new Map<string, UsageEvent>();
  const delivery = createEventDelivery<UsageEvent>({
    journal: {
      confirm: (ids) => ids.forEach((id) => journal.delete(id)),
      read: async (ids) => ids.filter((id) => journal.has(id)).map((id): SettledRecord => ({ id, beginPayload: Buffer.of(), settlePayload: Buffer.from(id) })),
    },
    decode: ({ id }) => journal.get(id)!,
    transport,
    batchMaximum: 100,
    random: () => 0.5,
    clock: systemClock,
    logger,
  });
  onTestFinished(() => delivery.stop());
  return {
    delivery,
    journal,
    emit(events) {
      for (const event of events) {
        const { attemptId } = event.intent!;
        journal.set(attemptId, event);
        delivery.add(attemptId, event);
      }
    },
  };
}

/** A logger, and the lines it has written. */
export function keepLog(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  return { lines, logger: pino({ level: "info", serializers: { error: (error: unknown) => (error instanceof Error ? { message: error.message } : error) } }, { write: (line: string) => void lines.push(line) }) };
}

/** So many events of different attempts, for three organizations. */
export function someEvents(count: number, first = 0): UsageEvent[] {
  return Array.from({ length: count }, (_, index) => usageEvent({ attempt: first + index, organization: `org_${index % 3}`, key: `key_${index % 3}` }));
}

/** What the ledger says when each of so many events stands once. */
export function onceEach(count: number): Record<string, bigint> {
  const attempts = BigInt(count);
  return { attempts, rollup_attempts: attempts, unbalanced: 0n, quantity: 1_100n * attempts, rollup_quantity: 1_100n * attempts };
}

export { reconcile, usageEvent };

/** Fails where the user of the URL may publish or subscribe to any of these. */
export async function expectRefused(url: string, { publish, subscribe }: { readonly publish: readonly string[]; readonly subscribe: readonly string[] }): Promise<void> {
  const { username, password, host } = new URL(url);
  const connection = await connect({ servers: host, user: username, pass: password });
  const refused: string[] = [];
  const listening = (async () => {
    for await (const status of connection.status()) if (status.type === "error") refused.push(status.error.message);
  })();
  for (const subject of publish) connection.publish(subject, "{}");
  for (const subject of subscribe) connection.subscribe(subject, { callback: () => undefined });
  await connection.flush();
  await expect.poll(() => refused.length).toBe(publish.length + subscribe.length);
  await connection.close();
  await listening;
}
