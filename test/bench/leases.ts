/** Owns the measurement of single holds at policy: how many a second on one organization, and how long one takes, on a PostgreSQL as Weir starts it. */
import { createSecretKey } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { TakeLeasePostingsResponseSchema } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { BudgetPeriod } from "#gen/weir/policy/v1/budget_pb.ts";
import { CreateBudgetRequestSchema } from "#gen/weir/policy/v1/budget_pb.ts";
import { AcquireLeaseRequestSchema } from "#gen/weir/policy/v1/lease_pb.ts";
import { CreateKeyRequestSchema } from "#gen/weir/policy/v1/key_pb.ts";
import { CreateOrganizationRequestSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import { CreateTeamRequestSchema } from "#gen/weir/policy/v1/team_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { openDatabase } from "#platform/database/database.ts";
import { startPostgresServer } from "#platform/database/postgres-server.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { readPolicyConfig } from "../../services/policy/config.ts";
import { createPolicyService, migrationsDirectory } from "../../services/policy/service.ts";
import { quantilesOf } from "./statistics.ts";

const phaseMs = 4_000;
const callerCounts = [8, 64, 256];

const logger = createLogger("error");
const dataDirectory = await mkdtemp(join(tmpdir(), "weir-leases-"));
const server = await startPostgresServer({ dataDirectory, logger });
const database = await openDatabase({ connection: server.administration, schema: "policy", migrationsDirectory, logger });
const metering = {
  takeLeasePostings: async (_request: unknown, { signal }: { readonly signal: AbortSignal }) => {
    await once(signal, "abort");
    return create(TakeLeasePostingsResponseSchema);
  },
  sumLeases: () => Promise.reject(new Error("nobody asks")),
};
const policy = await createPolicyService({ database, pepper: createSecretKey("pepper of the bench", "utf8"), config: new MutableLiveValue(readPolicyConfig(create(ConfigSchema))), clock: systemClock, logger, metrics: createMetricsRegistry(), peers: { metering } });
const { implementation } = policy;
const context = { identity: { kind: "service" as const, name: "bench" }, requestId: "", signal: new AbortController().signal };

const { organization } = await implementation.createOrganization(create(CreateOrganizationRequestSchema, { name: "hot" }), context);
const organizationId = organization!.id;
const { team } = await implementation.createTeam(create(CreateTeamRequestSchema, { organizationId, name: "team" }), context);
const { key } = await implementation.createKey(create(CreateKeyRequestSchema, { teamId: team!.id, name: "key" }), context);
const limitNanos = 1_000_000_000_000_000n;
for (const [name, subject] of [["organization", {}], ["team", { teamId: team!.id }], ["key", { keyId: key!.id }]] as const) {
  await implementation.createBudget(create(CreateBudgetRequestSchema, { organizationId, name, subject, limitNanos, period: BudgetPeriod.MONTH }), context);
}

await hold(64, phaseMs);
for (const callers of callerCounts) {
  const { p50, p99, holds } = await hold(callers, phaseMs);
  console.log(`${callers} callers, three budgets: ${Math.round((holds * 1_000) / phaseMs)} holds/s, ${p50.toFixed(2)} ms p50, ${p99.toFixed(2)} ms p99`);
}

await policy.stop();
await database.close();
await server.stop();
await rm(dataDirectory, { recursive: true });

async function hold(callers: number, forMs: number): Promise<{ readonly p50: number; readonly p99: number; readonly holds: number }> {
  const request = create(AcquireLeaseRequestSchema, { holderId: "bench", organizationId, keyId: key!.id, leastNanos: 1_000n, wantedNanos: 1_000n });
  const samples: number[] = [];
  const endMs = performance.now() + forMs;
  const call = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const startMs = performance.now();
      await implementation.acquireLease(request, context);
      samples.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  return { ...quantilesOf(samples), holds: samples.length };
}
