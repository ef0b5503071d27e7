/** Owns the metrics of several processes on one machine as one text: each tells the first of them its own when that one asks. */
import cluster, { type Worker } from "node:cluster";
import { AggregatorRegistry, Registry, type MetricObjectWithValues, type MetricValue } from "prom-client";
import type { MetricsSource } from "./metrics.ts";

type Metrics = readonly MetricObjectWithValues<MetricValue<string>>[];

interface Question {
  readonly metricsRound: number;
}

interface Answer extends Question {
  readonly metrics: Metrics;
}

/** A process that stands still or is busy for longer is shown as it was when it last told. */
const answerWithinMs = 1_000;

/** What only ever grows, and would seem to begin anew, all of it, were the part of a process that ended taken away. */
const growingTypes: ReadonlySet<string> = new Set(["counter", "histogram", "summary"]);

/** In a worker process: tells the first process what this registry holds, at once and whenever it is asked. */
export function shareMetrics(registry: Registry): void {
  const tell = async (metricsRound: number): Promise<void> => {
    const answer: Answer = { metricsRound, metrics: await registry.getMetricsAsJSON() };
    if (process.connected) process.send!(answer);
  };
  process.on("message", (message: Partial<Question>) => {
    if (message.metricsRound !== undefined) void tell(message.metricsRound);
  });
  void tell(0);
}

/** In the first of several processes: the workers' metrics, summed up. */
export class SharedMetrics implements MetricsSource {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  /** What each worker told last; one that is starting has told nothing. */
  readonly #told = new Map<Worker, Metrics>();
  /** What grew in workers that have ended, as far as they told of it. */
  #ended: Promise<Metrics> = Promise.resolve([]);
  #round = 0;
  /** Who is waited for in this round, and what to do when all of them have answered. */
  #waiting: { readonly workers: Set<Worker>; readonly resolve: () => void } | undefined;
  #reading: Promise<string> | undefined;

  constructor() {
    cluster.on("message", (worker, message: Partial<Answer>) => {
      if (message.metrics !== undefined) this.#take(worker, message as Answer);
    });
    cluster.on("exit", (worker) => this.#forget(worker));
  }

  /** Those who ask while another is answered get the same. */
  read(): Promise<string> {
    this.#reading ??= this.#ask().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #ask(): Promise<string> {
    this.#round++;
    const workers = new Set([...this.#told.keys()].filter((worker) => worker.isConnected()));
    if (workers.size > 0) await this.#answersOf(workers);
    // At one moment: a worker that ends meanwhile is in one of the two.
    const [ended, told] = [this.#ended, [...this.#told.values()]];
    return sumOf([await ended, ...told]).metrics();
  }

  async #answersOf(workers: Set<Worker>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { workers, resolve };
    const late = setTimeout(resolve, answerWithinMs);
    const question: Question = { metricsRound: this.#round };
    // One that ends just now is told of by its exit.
    for (const worker of workers) worker.send(question, () => undefined);
    await promise;
    clearTimeout(late);
    this.#waiting = undefined;
  }

  #take(worker: Worker, { metricsRound, metrics }: Answer): void {
    if (worker.isDead()) return;
    this.#told.set(worker, metrics);
    if (metricsRound === this.#round) this.#settle(worker);
  }

  #forget(worker: Worker): void {
    const last = this.#told.get(worker);
    if (last !== undefined) this.#ended = this.#ended.then((ended) => sumOf([ended, last.filter(({ type }) => growingTypes.has(String(type)))]).getMetricsAsJSON());
    this.#told.delete(worker);
    this.#settle(worker);
  }

  #settle(worker: Worker): void {
    this.#waiting?.workers.delete(worker);
    if (this.#waiting?.workers.size === 0) this.#waiting.resolve();
  }
}

function sumOf(metrics: Metrics[]): Registry {
  return AggregatorRegistry.aggregate(metrics);
}
