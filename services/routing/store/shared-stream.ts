/** Owns the stream at NATS in which shared replies lie, one message for each: made, or brought to the configuration, before this process uses it. */
import { DiscardPolicy, jetstream, JetStreamApiCodes, JetStreamApiError, jetstreamManager, RetentionPolicy, StorageType, type StreamInfo } from "@nats-io/jetstream";
import { nanos, type NatsConnection } from "@nats-io/transport-node";
import type { Clock } from "#platform/clock.ts";
import type { Logger } from "#platform/logger.ts";
import { replySubjects } from "./sealed-reply.ts";

export interface SharedStreamSettings {
  /** On each server that has them; beyond it, what was kept first goes first. */
  readonly maximumBytes: number;
  readonly storage: "file" | "memory";
  readonly replicas: number;
}

const streamName = "WEIR_CACHE";
/** For each answer by NATS; nobody waits for what is put there. */
const timeoutMs = 2_000;
/** After NATS has refused the stream. */
const retryMs = 5_000;

/** How far this process is with the stream that it wants. */
interface Settling {
  readonly wanted: string;
  readonly done: Promise<void>;
  failedAtMs?: number;
}

export class SharedStream {
  readonly #settings: SharedStreamSettings;
  readonly #longestLifetimeMs: () => number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #settling: Settling | undefined;

  constructor(settings: SharedStreamSettings, longestLifetimeMs: () => number, clock: Clock, logger: Logger) {
    this.#settings = settings;
    this.#longestLifetimeMs = longestLifetimeMs;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** What lies there under a subject; undefined where nothing does. Throws what the client does. */
  read(connection: NatsConnection, subject: string, withinMs: number): Promise<Uint8Array | undefined> {
    return this.#use(connection, async () => {
      const { direct } = await jetstreamManager(connection, { checkAPI: false, timeout: withinMs });
      return (await direct.getMessage(streamName, { last_by_subj: subject }))?.data;
    });
  }

  /** Resolves when NATS has it, in the place of what was there. Throws what the client does. */
  async put(connection: NatsConnection, subject: string, bytes: Uint8Array): Promise<void> {
    await this.#use(connection, () => jetstream(connection).publish(subject, bytes, { timeout: timeoutMs }));
  }

  async #use<Result>(connection: NatsConnection, work: () => Promise<Result>): Promise<Result> {
    const settling = this.#settle(connection);
    await settling.done;
    try {
      return await work();
    } catch (error) {
      // The stream may have gone, with a disk or by somebody's hand; then NATS says nothing to who reads it.
      if (this.#settling === settling) this.#settling = undefined;
      throw error;
    }
  }

  /** Once, and again when the configuration changes, or something failed; after a failure of its own, some time later. */
  #settle(connection: NatsConnection): Settling {
    const config = streamConfig(this.#settings, this.#longestLifetimeMs());
    const wanted = JSON.stringify(config);
    const last = this.#settling;
    if (last?.wanted === wanted && (last.failedAtMs === undefined || this.#clock.monotonicMs() < last.failedAtMs + retryMs)) return last;
    const settling: Settling = { wanted, done: settleStream(connection, config, this.#logger) };
    settling.done.catch((error: unknown) => {
      settling.failedAtMs = this.#clock.monotonicMs();
      this.#logger.warn({ stream: streamName, error }, "NATS has no stream for shared replies as it is configured, and they are kept here alone; docs/operations.md has the rights that it takes");
    });
    this.#settling = settling;
    return settling;
  }
}

type WantedStream = ReturnType<typeof streamConfig>;

function streamConfig({ maximumBytes, storage, replicas }: SharedStreamSettings, longestLifetimeMs: number) {
  return {
    name: streamName,
    description: "Replies that Weir's processes of routing share, encrypted.",
    subjects: [replySubjects],
    storage: storage === "file" ? StorageType.File : StorageType.Memory,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_msgs_per_subject: 1,
    max_bytes: maximumBytes,
    max_age: nanos(longestLifetimeMs),
    // None is sent with an id; and the window may not be longer than the age.
    duplicate_window: nanos(1_000),
    num_replicas: replicas,
    allow_direct: true,
  };
}

async function settleStream(connection: NatsConnection, wanted: WantedStream, logger: Logger): Promise<void> {
  const { streams } = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs });
  const standing = await unlessAbsent(streams.info(streamName));
  if (standing === undefined) {
    await streams.add(wanted);
    return;
  }
  const { storage, ...changes } = differences(standing, wanted);
  if (storage !== undefined) logger.warn({ stream: streamName, wanted: storage }, 'shared replies lie in another storage than is configured, which NATS does not change; "nats stream rm WEIR_CACHE" lets them be kept anew');
  if (Object.keys(changes).length > 0) await streams.update(streamName, changes);
}

/** No limit lets anything be lost that could not be asked for again: what differs is changed. */
function differences({ config }: StreamInfo, wanted: WantedStream): Partial<WantedStream> {
  return Object.fromEntries(Object.entries(wanted).filter(([field, value]) => JSON.stringify(config[field as keyof WantedStream]) !== JSON.stringify(value)));
}

async function unlessAbsent(answer: Promise<StreamInfo>): Promise<StreamInfo | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}
