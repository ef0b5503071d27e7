/** Owns the worker processes of a Weir: as many as asked for, a new one for each that dies, all of them stopped together. */
import cluster, { type Worker } from "node:cluster";
import { GatewayError } from "#platform/errors.ts";
import type { Logger } from "#platform/logger.ts";
import type { Readiness } from "../readiness.ts";
import type { WeirFacts } from "../weir.ts";
import { writeOrders, type WorkerOrders } from "./worker-orders.ts";

/** What a worker tells. */
export type WorkerReport = { readonly weir: "ready"; readonly facts: WeirFacts } | { readonly weir: "waits"; readonly what: string };

export interface CrewOptions {
  readonly count: number;
  readonly orders: WorkerOrders;
  /** Told of the crew as a whole: it is ready when all are. */
  readonly readiness: Readiness;
  readonly logger: Logger;
}

// All take connections from the one queue of the kernel: what waits there is taken by another when one dies or stands still. Handed over one by
// one, in turn, those on their way to a process that dies would hang until their clients give up.
cluster.schedulingPolicy = cluster.SCHED_NONE;

/** One that dies again and again is not replaced more often than this. */
const replaceAfterMs = 1_000;

export class Crew {
  readonly #options: CrewOptions;
  readonly #workers = new Set<Worker>();
  readonly #waiting = new Map<Worker, string>();
  #isStopping = false;

  constructor(options: CrewOptions) {
    this.#options = options;
  }

  /** Resolves with what is common to all when all are ready. Throws when one ends before. */
  async start(): Promise<WeirFacts> {
    // The first one alone: what a first start creates is created once.
    const facts = await this.#fork();
    await Promise.all(Array.from({ length: this.#options.count - 1 }, () => this.#fork()));
    return facts;
  }

  /** Sends the signal to all; resolves when none is left, after the bound by force. */
  async stop(signal: NodeJS.Signals, boundMs: number): Promise<void> {
    this.#isStopping = true;
    const ends = [...this.#workers].map((worker) => new Promise<void>((resolve) => worker.once("exit", () => resolve())));
    const kill = (how: NodeJS.Signals): void => {
      for (const worker of this.#workers) worker.process.kill(how);
    };
    kill(signal);
    const bound = setTimeout(() => kill("SIGKILL"), boundMs);
    await Promise.all(ends);
    clearTimeout(bound);
  }

  #fork(): Promise<WeirFacts> {
    const worker = cluster.fork(writeOrders(this.#options.orders));
    this.#workers.add(worker);
    this.#reportWaiting(worker, "its start");
    return new Promise((resolve, reject) => {
      let wasReady = false;
      worker.on("message", (message: WorkerReport) => {
        if (message.weir === "waits") this.#reportWaiting(worker, message.what);
        if (message.weir !== "ready") return;
        wasReady = true;
        this.#reportWaiting(worker, undefined);
        resolve(message.facts);
      });
      worker.once("exit", (code, signal) => {
        this.#workers.delete(worker);
        this.#reportWaiting(worker, undefined);
        if (this.#isStopping) return;
        if (!wasReady) reject(new GatewayError("DEPENDENCY_UNAVAILABLE", `A process ended while it started (${signal || `code ${code}`}); what it said stands above.`));
        else this.#replace(worker, signal || `code ${code}`);
      });
    });
  }

  #replace(dead: Worker, how: string): void {
    const { logger } = this.#options;
    logger.error({ pid: dead.process.pid, ended: how }, "a process of Weir died; another one takes its place");
    this.#reportWaiting(dead, "a process that died to be replaced");
    setTimeout(() => {
      this.#reportWaiting(dead, undefined);
      if (this.#isStopping) return;
      this.#fork().catch((error: unknown) => {
        logger.error({ error }, "a process of Weir could not be replaced; trying again");
        this.#replace(dead, "at its start");
      });
    }, replaceAfterMs);
  }

  #reportWaiting(worker: Worker, what: string | undefined): void {
    if (what === undefined) this.#waiting.delete(worker);
    else this.#waiting.set(worker, what);
    const [first] = this.#waiting.values();
    if (first === undefined) this.#options.readiness.isReady();
    else this.#options.readiness.waitsFor(first);
  }
}
