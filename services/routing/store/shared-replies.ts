/** Owns the replies that processes share: looking for one for a moment, and putting one there while nobody waits. Whatever goes wrong is a miss. */
import { TimeoutError } from "@nats-io/transport-node";
import { createBreaker, type BreakerSettings } from "#platform/breaker.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, Histogram, type Registry } from "#platform/metrics.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { KeptReply } from "../domain/cache/call-cache.ts";
import { ReplySeal, sealBytes } from "./sealed-reply.ts";
import { SharedStream, type SharedStreamSettings } from "./shared-stream.ts";

export interface SharedRepliesSettings extends SharedStreamSettings {
  /** The same for all processes. */
  readonly secret: Secret;
}

export interface SharedRepliesOptions {
  readonly link: NatsLink;
  readonly settings: SharedRepliesSettings;
  /** Of the rules of the day: nothing lies there for longer. */
  readonly longestLifetimeMs: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: SharedRepliesMetrics;
  /** What a caller waits for at most; default 50. */
  readonly lookWithinMs?: number;
}

const maximumLooks = 128;
/** Of replies on their way there, and of what each takes beside its bytes, about. */
const maximumOutgoingBytes = 16 * 1024 * 1024;
const overheadBytes = 512;
/** How far the clocks of two processes may differ; what comes from further ahead has no age. */
const longestLeadMs = 60_000;
/** Where most of what is asked comes late, nothing is asked for a while. A refusal keeps nobody waiting. */
const pausing: BreakerSettings = { failurePercentage: 50, minimumCalls: 10, windowMs: 10_000, openMs: 5_000 };

/** Why nothing was found: not there; too old for the rule or the caller; too large to be kept here; not to be opened; or NATS was not connected, asked too much, left alone, too slow, or refused. */
type Miss = "none" | "old" | "size" | "unreadable" | "away" | "busy" | "paused" | "late" | "refused";
/** What became of a reply to be put there. */
type Put = "ok" | "size" | "room" | "away" | "paused" | "late" | "refused";

/** They are there where nothing is shared, too. */
export type SharedRepliesMetrics = ReturnType<typeof createSharedRepliesMetrics>;

export function createSharedRepliesMetrics(registry: Registry) {
  return {
    lookSeconds: new Histogram({
      name: "weir_cache_shared_look_duration_seconds",
      help: "How long calls waited for the shared cache, by outcome: `hit`; `none`, `old`, `size`, `unreadable`; `away`, `busy`, `paused`, `late`, `refused` where NATS could not be asked, or did not answer.",
      labelNames: ["outcome"],
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1],
      registers: [registry],
    }),
    puts: new Counter({ name: "weir_cache_shared_puts_total", help: "Replies for the shared cache, by what became of them: `ok`; `size`, `room`; `away`, `paused`, `late`, `refused`.", labelNames: ["outcome"], registers: [registry] }),
  };
}

export class SharedReplies {
  readonly #link: NatsLink;
  readonly #seal: ReplySeal;
  readonly #stream: SharedStream;
  readonly #clock: Clock;
  readonly #lookWithinMs: number;
  readonly #breaker = createBreaker("the shared cache", pausing, (error) => (isLate(error) ? "failed" : "works"));
  readonly #metrics: SharedRepliesMetrics;
  #looks = 0;
  #outgoingBytes = 0;

  constructor({ link, settings, longestLifetimeMs, clock, logger, metrics, lookWithinMs = 50 }: SharedRepliesOptions) {
    this.#link = link;
    this.#seal = new ReplySeal(settings.secret);
    this.#stream = new SharedStream(settings, longestLifetimeMs, clock, logger);
    this.#clock = clock;
    this.#lookWithinMs = lookWithinMs;
    this.#metrics = metrics;
  }

  /** Undefined also where nothing can be learnt in time. */
  async find(key: string, maximumAgeMs: number, maximumBytes: number): Promise<KeptReply | undefined> {
    const stopClock = this.#metrics.lookSeconds.startTimer();
    const found = await this.#look(key, maximumAgeMs, maximumBytes);
    const isMiss = typeof found === "string";
    stopClock({ outcome: isMiss ? found : "hit" });
    return isMiss ? undefined : found;
  }

  /** Returns at once. */
  put(key: string, bytes: Uint8Array): void {
    void this.#put(key, bytes, this.#clock.now()).then((outcome) => this.#metrics.puts.inc({ outcome }));
  }

  stop(): void {
    this.#breaker.shutdown();
  }

  async #look(key: string, maximumAgeMs: number, maximumBytes: number): Promise<KeptReply | Miss> {
    if (!this.#link.isConnected) return "away";
    if (this.#looks >= maximumLooks) return "busy";
    const subject = this.#seal.subjectOf(key);
    let sealed: Uint8Array | undefined;
    this.#looks++;
    try {
      const connection = await this.#link.connected(never);
      sealed = await this.#breaker.run(() => within(this.#lookWithinMs, this.#stream.read(connection, subject, this.#lookWithinMs)));
    } catch (error) {
      return failureOf(error);
    } finally {
      this.#looks--;
    }
    if (sealed === undefined) return "none";
    if (sealed.length - sealBytes > maximumBytes) return "size";
    const reply = this.#seal.open(subject, sealed);
    const ageMs = reply && this.#clock.now() - reply.keptTimeMs;
    if (reply === undefined || ageMs! < -longestLeadMs) return "unreadable";
    const age = Math.max(0, ageMs!);
    return age < maximumAgeMs ? { bytes: reply.bytes, ageMs: age } : "old";
  }

  async #put(key: string, bytes: Uint8Array, keptTimeMs: number): Promise<Put> {
    if (!this.#link.isConnected) return "away";
    const heldBytes = bytes.length + overheadBytes;
    if (this.#outgoingBytes + heldBytes > maximumOutgoingBytes) return "room";
    this.#outgoingBytes += heldBytes;
    try {
      const connection = await this.#link.connected(never);
      if (bytes.length + sealBytes > connection.info!.max_payload) return "size";
      const subject = this.#seal.subjectOf(key);
      await this.#breaker.run(() => this.#stream.put(connection, subject, this.#seal.seal(subject, { bytes, keptTimeMs })));
      return "ok";
    } catch (error) {
      return failureOf(error);
    } finally {
      this.#outgoingBytes -= heldBytes;
    }
  }
}

/** The link is connected, and says so at once. */
const never = new AbortController().signal;

/** Throws TimeoutError when it takes longer, as it does where the stream is looked after first. */
async function within<Result>(ms: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new TimeoutError()), ms)));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function failureOf(error: unknown): "away" | "paused" | "late" | "refused" {
  if (error instanceof GatewayError) return error.reason === "CIRCUIT_OPEN" ? "paused" : "away";
  return isLate(error) ? "late" : "refused";
}

function isLate(error: unknown): boolean {
  return [error, (error as Error).cause].some((one) => one instanceof TimeoutError);
}
