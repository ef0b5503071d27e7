/**
 * Owns one process that calls as fast as it can under one rate limit, with policy and routing's counters in it as `--processes` has them. It
 * is forked with its orders as first argument, tells when it is ready, begins when it is told from when to when, and tells what came of it.
 */
import { createSecretKey } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { RateLimitSchema } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { systemClock } from "#platform/clock.ts";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { openDatabase } from "#platform/database/database.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { readPolicyConfig } from "../../services/policy/config.ts";
import type { PolicyPeers } from "../../services/policy/peers.ts";
import { createPolicyService, migrationsDirectory } from "../../services/policy/service.ts";
import { admitCall } from "../../services/routing/domain/rate-limits/rate-admission.ts";
import { readRateLimit } from "../../services/routing/domain/rate-limits/rate-limit.ts";
import { noTokens } from "../../services/routing/domain/rate-limits/token-estimate.ts";
import { RateCounters } from "../../services/routing/store/rate-counters.ts";

export interface Orders {
  readonly connection: DatabaseConnection;
  /** Per second. */
  readonly amount: number;
}

/** In milliseconds since 1970. */
export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Report {
  /** Calls that were let in, by the window that they were let in by. */
  readonly admitted: Readonly<Record<string, number>>;
  /** Calls that were decided in memory, and how long that took. */
  readonly decisions: number;
  readonly decisionsMs: number;
}

const callers = 32;
const facts = { organization: "org_1", team: "", key: "", member: "", model: "", route: "", operation: "Generate", labels: {} };

const { connection, amount } = JSON.parse(process.argv[2]!) as Orders;
const logger = createLogger("silent");
const database = await openDatabase({ connection, schema: "policy", migrationsDirectory, logger });
/** A ledger to which nothing is posted. */
const noLedger: PolicyPeers["metering"] = {
  takeLeasePostings: (_request, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
  sumLeases: () => Promise.reject(new Error("There is no ledger.")),
};
const policy = await createPolicyService({ database, pepper: createSecretKey("pepper", "utf8"), config: new MutableLiveValue(readPolicyConfig(create(ConfigSchema))), clock: systemClock, logger, metrics: createMetricsRegistry(), peers: { metering: noLedger } });
const counters = new RateCounters({ policy: policy.implementation, clock: systemClock });
const limit = readRateLimit(create(RateLimitSchema, { id: "rlm_drill", rule: { name: "drill", count: "requests", amount: BigInt(amount), window: "second" } }))!;

const admitted: Record<string, number> = {};
let decisions = 0;
let decisionsMs = 0;
const begin = new Promise<Span>((resolve) => process.once("message", (span) => resolve(span as Span)));
process.send!("ready");
const { fromMs, untilMs } = await begin;
await new Promise((resolve) => setTimeout(resolve, fromMs - Date.now()));
await Promise.all(Array.from({ length: callers }, call));
await counters.stop();
await policy.stop();
await database.close();
process.send!({ admitted, decisions, decisionsMs } satisfies Report);
process.disconnect();

async function call(): Promise<void> {
  while (Date.now() < untilMs) {
    const beganMs = performance.now();
    const outcome = admitCall({ facts, isStream: false, tokens: () => noTokens, spending: () => ({ before: () => 0, after: () => 0 }) }, [limit], counters.counterOf);
    if (!(outcome instanceof Promise)) {
      decisions++;
      decisionsMs += performance.now() - beganMs;
    }
    const isAdmitted = await Promise.resolve(outcome).then(() => true, () => false);
    if (isAdmitted) {
      const window = String(counters.counterOf(limit, limit.counterOf(facts)).windowTimeMs);
      admitted[window] = (admitted[window] ?? 0) + 1;
    }
    await (isAdmitted ? new Promise(setImmediate) : new Promise((resolve) => setTimeout(resolve, 2)));
  }
}
