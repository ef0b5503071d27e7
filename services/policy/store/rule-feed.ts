/**
 * Owns the rules in force: those of the configuration file and those made by RPC, read anew whenever either changes. A new kind of rule
 * is a line in `read`; its table announces changes with the trigger `announce_rule_change`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { WatchRulesResponseSchema, type WatchRulesResponse } from "#gen/weir/policy/v1/rule_set_pb.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import { MutableLiveValue, type LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { PolicyConfig } from "../config.ts";
import { Bell } from "./bell.ts";
import { selectGuardrailRules } from "./guardrails.ts";
import { selectAllRateLimits } from "./rate-limits.ts";

export interface RuleSources {
  readonly database: Database;
  readonly config: LiveValue<PolicyConfig>;
  readonly logger: Logger;
}

const retryMs = 1_000;

export class RuleFeed {
  readonly #sources: RuleSources;
  /** Undefined until they were read for the first time. */
  readonly #rules = new MutableLiveValue<WatchRulesResponse | undefined>(undefined);
  /** Rings when they are to be read again. */
  readonly #bell = new Bell();
  readonly #stopping = new AbortController();
  readonly #finished: Promise<void>;
  readonly #unsubscribe: () => void;

  constructor(sources: RuleSources) {
    this.#sources = sources;
    this.#unsubscribe = sources.config.subscribe(() => this.changed());
    this.changed();
    this.#finished = this.#run();
  }

  /** Reads them again, soon. */
  changed(): void {
    this.#bell.ring();
  }

  /** All rules, and all again after each change, until the signal fires; a slow reader is told the latest only. Throws SHUTTING_DOWN when the feed stops. */
  async *watch(signal: AbortSignal): AsyncGenerator<WatchRulesResponse> {
    const bell = new Bell();
    const ring = (): void => bell.ring();
    const unsubscribe = this.#rules.subscribe(ring);
    const either = AbortSignal.any([signal, this.#stopping.signal]);
    either.addEventListener("abort", ring);
    try {
      for (let told: WatchRulesResponse | undefined; !signal.aborted; ) {
        if (this.#stopping.signal.aborted) throw new GatewayError("SHUTTING_DOWN", "Policy is shutting down. Watch again in a moment.");
        const rules = this.#rules.current;
        if (rules === told) {
          await bell.wait();
          continue;
        }
        told = rules;
        yield rules!;
      }
    } finally {
      unsubscribe();
      either.removeEventListener("abort", ring);
    }
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#stopping.abort();
    this.#bell.ring();
    await this.#finished;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { logger } = this.#sources;
    for (;;) {
      await this.#bell.wait();
      if (signal.aborted) return;
      try {
        this.#rules.set(await this.#read());
      } catch (error) {
        logger.warn({ error, retryInMs: retryMs }, "the rules cannot be read; watchers keep what they have");
        await pause(retryMs, undefined, { signal }).catch(() => undefined);
        this.changed();
      }
    }
  }

  async #read(): Promise<WatchRulesResponse> {
    const { database, config } = this.#sources;
    const made = { guardrails: await selectGuardrailRules(database), rateLimits: await selectAllRateLimits(database) };
    return create(WatchRulesResponseSchema, { guardrails: [...config.current.guardrails, ...made.guardrails], rateLimits: [...config.current.rateLimits, ...made.rateLimits] });
  }
}
