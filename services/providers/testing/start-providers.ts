/** Owns starting the providers service in tests, against a scripted vendor and a ledger that keeps what it is told. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Role } from "#gen/weir/inference/v1/content_pb.ts";
import { JournalState, ReportJournalResponseSchema } from "#gen/weir/metering/v1/journal_pb.ts";
import { RecordUsageResponseSchema } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import { AttributionSchema, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { AttemptRequestSchema, type AttemptRequest, type AttemptResponse, type ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { systemClock, type Clock } from "#platform/clock.ts";
import type { Internet } from "#platform/egress/fetch-file.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import { MutableLiveValue } from "#platform/views/live-value.ts";
import { createLogger } from "#platform/logger.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { CallContext, ServiceInterface } from "#platform/rpc/service-types.ts";
import type { ProviderConfig, ProvidersConfig } from "../config.ts";
import type { FetchBounds } from "../edge/media-fetcher.ts";
import { openaiVendor } from "../edge/openai/openai-vendor.ts";
import { noSettings } from "../edge/vendor-settings.ts";
import type { MeteringPeer } from "../peers.ts";
import { createProvidersService } from "../service.ts";
import { TokenCounter } from "../token-counter.ts";

export interface RunningProviders {
  readonly providers: ServiceInterface<typeof ProvidersService>;
  readonly config: MutableLiveValue<ProvidersConfig>;
  /** What the ledger was told so far. */
  readonly events: readonly UsageEvent[];
  /** What the ledger was told, as soon as there is something. */
  nextEvents(): Promise<readonly UsageEvent[]>;
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly provider: Partial<ProviderConfig> & Pick<ProviderConfig, "baseUrl">;
  readonly journalDirectory?: string;
  readonly clock?: Clock;
  readonly fetchBounds?: FetchBounds;
  readonly internet?: Internet;
  readonly tokens?: TokenCounter;
  /** While true, the ledger refuses. */
  readonly ledgerIsDown?: () => boolean;
}

export async function startProviders({ provider, journalDirectory, clock = systemClock, fetchBounds, internet, tokens = patientCounter(), ledgerIsDown = () => false }: StartOptions): Promise<RunningProviders> {
  const directory = journalDirectory ?? (await mkdtemp(join(tmpdir(), "weir-providers-")));
  const ledger = createLedger(ledgerIsDown);
  const config = new MutableLiveValue({ ...configOf(provider), fetchBounds });
  const service = await createProvidersService({ config, metering: ledger.metering, instance: "test", journalDirectory: directory, claimLeftoverJournal: async () => undefined, clock, logger: createLogger("silent"), metrics: createMetricsRegistry(), tracer: new MutableLiveValue(undefined), ...(internet === undefined ? {} : { internet }), tokens });
  return {
    providers: service.implementation,
    config,
    events: ledger.events,
    nextEvents: () => ledger.nextEvents(),
    async stop() {
      await service.stop();
      if (journalDirectory === undefined) await rm(directory, { recursive: true });
    },
  };
}

/** The library's counts, however busy the machine is. */
function patientCounter(): TokenCounter {
  return new TokenCounter(undefined, 60_000);
}

export function configOf(provider: StartOptions["provider"]): ProvidersConfig {
  const whole: ProviderConfig = {
    name: "main",
    vendor: "openai",
    adapter: openaiVendor,
    settings: noSettings,
    baseUrlIsOwn: true,
    credential: new Secret("sk-canary"),
    identity: undefined,
    hasStoredCredentials: false,
    onlyOrganizationCredentials: false,
    models: ["gpt-test"],
    onlyListedModels: false,
    tags: [],
    connectTimeoutMs: 2_000,
    firstByteTimeoutMs: 60_000,
    idleTimeoutMs: 60_000,
    maximumConnections: 16,
    origin: "test",
    ...provider,
  };
  return { providers: new Map([[whole.name, whole]]), maximumJournalBytes: 4 * 1024 * 1024, modelFacts: new Map(), fetchBounds: undefined };
}

interface Ledger {
  readonly metering: MeteringPeer;
  readonly events: UsageEvent[];
  /** Resolves with all events, as soon as there is one. */
  nextEvents(): Promise<readonly UsageEvent[]>;
}

function createLedger(isDown: () => boolean): Ledger {
  const events: UsageEvent[] = [];
  let arrived = Promise.withResolvers<void>();
  return {
    events,
    metering: {
      async recordUsage(request) {
        if (isDown()) throw new GatewayError("DEPENDENCY_UNAVAILABLE", "The ledger is down.");
        events.push(...request.events);
        arrived.resolve();
        arrived = Promise.withResolvers();
        return create(RecordUsageResponseSchema, { confirmedAttemptIds: request.events.map(({ intent }) => intent!.attemptId) });
      },
      async reportJournal({ isClosed }) {
        if (isDown()) throw new GatewayError("DEPENDENCY_UNAVAILABLE", "The ledger is down.");
        return create(ReportJournalResponseSchema, { state: isClosed ? JournalState.CLOSED : JournalState.OPEN });
      },
    },
    async nextEvents() {
      if (events.length === 0) await arrived.promise;
      return events;
    },
  };
}

export function contextOf(signal: AbortSignal = new AbortController().signal): CallContext {
  return { identity: { kind: "service", name: "routing" }, requestId: "req_test", signal };
}

/** An attempt at the scripted vendor. */
export function attemptRequest(init: MessageInitShape<typeof AttemptRequestSchema>): AttemptRequest {
  return create(AttemptRequestSchema, {
    attemptId: newId("att", systemClock),
    requestId: "req_test",
    attribution: create(AttributionSchema, { organizationId: "org_test", teamId: "team_test", keyId: "key_test" }),
    provider: "main",
    model: "gpt-test",
    priceVersion: "pri_1",
    ...init,
  });
}

const generation = { model: "any", messages: [{ role: Role.USER, parts: [{ kind: { case: "text" as const, value: { text: "Hi" } } }] }] };
const nativeGeneration = (body: string) => ({ generation: { model: "any", native: { dialect: "openai", body: Buffer.from(body) } } });

/** Operations for `attemptRequest`; native ones carry the body as it is. */
export const operations = {
  generate: { case: "generate" as const, value: { generation } },
  stream: { case: "streamGenerate" as const, value: { generation } },
  embed: { case: "embed" as const, value: { model: "any", inputs: ["a", "b"] } },
  nativeGenerate: (body: string) => ({ case: "generate" as const, value: nativeGeneration(body) }),
  nativeStream: (body: string) => ({ case: "streamGenerate" as const, value: nativeGeneration(body) }),
};

/** All messages of an attempt, and what it threw, if it did. */
export async function collect(messages: AsyncIterable<AttemptResponse>): Promise<{ readonly messages: AttemptResponse[]; readonly error: unknown }> {
  const collected: AttemptResponse[] = [];
  try {
    for await (const message of messages) collected.push(message);
    return { messages: collected, error: undefined };
  } catch (error) {
    return { messages: collected, error };
  }
}

export function nativeText(messages: readonly AttemptResponse[]): string {
  return Buffer.concat(messages.map(({ native }) => native)).toString();
}
