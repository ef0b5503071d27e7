/** Owns what policy's tests share: policy services, one or several on one real database. */
import { createSecretKey } from "node:crypto";
import { once } from "node:events";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { CreateKeyRequestSchema, type CreateKeyResponse } from "#gen/weir/policy/v1/key_pb.ts";
import { CreateOrganizationRequestSchema } from "#gen/weir/policy/v1/organization_pb.ts";
import type { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { CreateTeamRequestSchema, type Team } from "#gen/weir/policy/v1/team_pb.ts";
import { SumLeasesResponseSchema, TakeLeasePostingsResponseSchema } from "#gen/weir/metering/v1/lease_posting_pb.ts";
import type { DatabaseConnection } from "#platform/database/database-connection.ts";
import { openDatabase } from "#platform/database/database.ts";
import { systemClock, type Clock } from "#platform/clock.ts";
import { MutableLiveValue, type LiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import type { CallContext, ServiceInterface } from "#platform/rpc/service-types.ts";
import { readPolicyConfig, type PolicyConfig } from "./config.ts";
import type { PolicyDependencies } from "./dependencies.ts";
import type { PolicyPeers } from "./peers.ts";
import { createPolicyService, migrationsDirectory } from "./service.ts";

export interface PolicyFixture {
  readonly policy: ServiceInterface<typeof PolicyService>;
  readonly dependencies: PolicyDependencies;
  /** Stops the service before the end of the test. */
  readonly stop: () => Promise<void>;
}

/** What policy takes from a file that says this. */
export function policyConfig(file: MessageInitShape<typeof ConfigSchema> = {}): PolicyConfig {
  return readPolicyConfig(create(ConfigSchema, file));
}

/** A policy service that stops after the test. */
export async function startPolicy(connection: DatabaseConnection, clock: Clock = systemClock, config: LiveValue<PolicyConfig> = new MutableLiveValue(policyConfig())): Promise<PolicyFixture> {
  const fixture = await openPolicyFixture(connection, clock, config);
  onTestFinished(fixture.stop);
  return fixture;
}

/** A policy service that whoever opens it stops. */
export async function openPolicyFixture(connection: DatabaseConnection, clock: Clock = systemClock, config: LiveValue<PolicyConfig> = new MutableLiveValue(policyConfig()), peers: PolicyPeers = { metering: silentLedger }): Promise<PolicyFixture> {
  const logger = createLogger("silent");
  const database = await openDatabase({ connection, schema: "policy", migrationsDirectory, logger });
  const dependencies = { database, pepper: createSecretKey("pepper of the tests", "utf8"), config, clock, logger, peers, metrics: createMetricsRegistry() };
  const service = await createPolicyService(dependencies);
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= service.stop().then(() => database.close()));
  return { policy: service.implementation, dependencies, stop };
}

/** A ledger to which nothing is posted. */
const silentLedger: PolicyPeers["metering"] = {
  async takeLeasePostings(_request, { signal }) {
    if (!signal.aborted) await once(signal, "abort");
    return create(TakeLeasePostingsResponseSchema);
  },
  sumLeases: async ({ leaseIds }) => create(SumLeasesResponseSchema, { sums: leaseIds.map((leaseId) => ({ leaseId })) }),
};

/** The context of a call by a service. */
export function callContext(signal: AbortSignal = new AbortController().signal): CallContext {
  return { identity: { kind: "service", name: "test" }, requestId: "req_test", signal };
}

/** A team in a new organization of this name. */
export async function createTestTeam({ policy }: PolicyFixture, organizationName = "acme"): Promise<Team> {
  const { organization } = await policy.createOrganization(create(CreateOrganizationRequestSchema, { name: organizationName }), callContext());
  const { team } = await policy.createTeam(create(CreateTeamRequestSchema, { organizationId: organization!.id, name: "research" }), callContext());
  return team!;
}

export function createTestKey({ policy }: PolicyFixture, teamId: string, name = "laptop"): Promise<CreateKeyResponse> {
  return policy.createKey(create(CreateKeyRequestSchema, { teamId, name }), callContext());
}
