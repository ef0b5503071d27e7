/** Owns how the rooms of providers are put together, started and stopped. */
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import type { Vault } from "#gen/weir/config/v1/vault_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Internet } from "#platform/egress/fetch-file.ts";
import type { NatsLink } from "#platform/event-log/nats-link.ts";
import { createNatsJournalRegistry } from "#platform/event-log/nats-journal-registry.ts";
import { createNatsTransport } from "#platform/event-log/nats-transport.ts";
import { deriveLive, MutableLiveValue, type LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import { Counter, Gauge, type Registry } from "#platform/metrics.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { RunningService } from "#platform/rpc/service.ts";
import type { Tracer } from "#platform/tracing/span.ts";
import { waitFor } from "#platform/wait-for.ts";
import type { ProvidersConfig } from "./config.ts";
import type { KeyWrappings } from "./domain/credentials/key-wrapping.ts";
import { SentAttempts } from "./domain/sent-attempts.ts";
import { BatchSettlement } from "./batch-settlement.ts";
import { LiveProviders } from "./edge/live-providers.ts";
import { TransitKey } from "./edge/vault/transit-key.ts";
import { VaultClient } from "./edge/vault/vault-client.ts";
import { MediaFetcher } from "./edge/media-fetcher.ts";
import { createPeerRegistry, createPeerTransport } from "./peer-transport.ts";
import type { MeteringPeer } from "./peers.ts";
import { attempt, type AttemptParts } from "./rpc/attempt.ts";
import { createCredential } from "./rpc/create-credential.ts";
import type { CredentialParts } from "./rpc/credential-parts.ts";
import { deleteCredential } from "./rpc/delete-credential.ts";
import { listCredentials } from "./rpc/list-credentials.ts";
import { peekCredential } from "./rpc/peek-credential.ts";
import { rotateCredential } from "./rpc/rotate-credential.ts";
import { RunningAttempts } from "./rpc/running-attempts.ts";
import { updateCredential } from "./rpc/update-credential.ts";
import { watchCatalog, type Catalog } from "./rpc/watch-catalog.ts";
import { AttemptRecorder, type JournalPlace } from "./store/attempt-recorder.ts";
import { adoptLeftoverJournals, type ClaimedJournal } from "./store/leftover-journals.ts";
import { LocalKey } from "./store/secret-box.ts";
import { StoredCredentials, type CredentialStore } from "./store/stored-credentials.ts";
import { TokenCounter } from "./token-counter.ts";

export type { CredentialStore };

/** The plain-SQL migrations of providers' schema. */
export const migrationsDirectory = fileURLToPath(new URL("./store/migrations/", import.meta.url));

/** The installation's own key for stored credentials. */
export interface InstallationKey {
  /** Undefined where there is none. */
  find(): Promise<Secret | undefined>;
  /** Where there is none, there is one then. */
  make(): Promise<Secret>;
}

export type ProvidersDependencies = LedgerAccess & {
  readonly config: LiveValue<ProvidersConfig>;
  /** The folder's name, for people. */
  readonly instance: string;
  /** Kept for this process alone; what is in it outlives the process. */
  readonly journalDirectory: string;
  /** Takes a folder that no process has and in which a journal was left; undefined when there is none. */
  readonly claimLeftoverJournal: () => Promise<ClaimedJournal | undefined>;
  /** Told why, when no attempt can begin until the process is started again. */
  readonly onUnfit?: (why: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Registry;
  readonly tracer: LiveValue<Tracer | undefined>;
  /** Where credentials for vendors are stored; undefined in a process without a database. */
  readonly credentialStore?: CredentialStore | undefined;
  /** Where callers' files are fetched from; another than the public one in tests. */
  readonly internet?: Internet;
  /** Another than the library in tests. */
  readonly tokens?: TokenCounter;
};

/** The way of usage events: through NATS where there is a link to it, else straight to metering. */
export type LedgerAccess = { readonly metering: MeteringPeer; readonly eventLog?: undefined } | { readonly metering?: MeteringPeer; readonly eventLog: NatsLink };

/** How long a stop lets attempts finish; callers were told to go before. */
const graceMs = 1_000;
/** How often it is looked which long streams are due for a checkpoint. */
const checkpointLookMs = 1_000;
/** How often it is looked which providers have no credential. */
const credentialLookMs = 1_000;

/** Throws when the journal is in use by another process, or a provider cannot be reached by its very address. */
export async function createProvidersService(dependencies: ProvidersDependencies): Promise<RunningService<typeof ProvidersService>> {
  const { config, metering, eventLog, instance, journalDirectory, claimLeftoverJournal, clock, logger, metrics, tracer } = dependencies;
  const stored = new StoredCredentials({ store: dependencies.credentialStore, clock, logger });
  const providers = new LiveProviders({ clock, logger, stored });
  if (takesStored(config.current)) await waitFor("the stored credentials", () => stored.follow(), logger);
  await providers.apply(config.current);
  const ledger = {
    transport: eventLog === undefined ? createPeerTransport(metering) : createNatsTransport({ link: eventLog, logger }),
    registry: eventLog === undefined ? createPeerRegistry(metering) : createNatsJournalRegistry(eventLog),
  };
  const open = (place: JournalPlace, onUnfit?: (why: string) => void): Promise<AttemptRecorder> => AttemptRecorder.open({ ...place, ...ledger, onUnfit, maximumBytes: config.current.maximumJournalBytes, clock, logger });
  const recorder = await open({ instance, directory: journalDirectory }, dependencies.onUnfit).catch(async (error: unknown) => {
    await Promise.all([providers.stop(), stored.stop()]);
    throw error;
  });
  const leftovers = adoptLeftoverJournals({ claim: claimLeftoverJournal, open: (place) => open(place), logger });
  const catalog = new MutableLiveValue<Catalog>({ config: config.current, credentialProblems: providers.credentialProblems() });
  const credentialLooks = setInterval(() => showProblems(providers.credentialProblems(), catalog), credentialLookMs);
  const unfollow = followConfig(config, providers, stored, catalog, logger);
  const running = new RunningAttempts();
  const tokens = dependencies.tokens ?? new TokenCounter();
  const media = new MediaFetcher(deriveLive(config, ({ fetchBounds }) => fetchBounds), logger, dependencies.internet);
  const batches = new BatchSettlement({
    database: dependencies.credentialStore === undefined ? undefined : () => stored.database(),
    isNeeded: () => config.current.providers.values().some(({ adapter }) => adapter.batches !== undefined),
    providers,
    transport: ledger.transport,
    clock,
    logger,
  });
  const parts: AttemptParts = { providers, sent: new SentAttempts(clock.now()), media, recorder, batches, running, tokens, clock, logger, tracer };
  const credentialParts: CredentialParts = { stored, config, clock };
  const checkpoints = setInterval(() => running.checkpoint(), checkpointLookMs);
  const attempts = new Counter({ name: "weir_attempts_total", help: "Attempts that this process was asked for, by provider.", labelNames: ["provider"], registers: [metrics] });
  const journalGauge = (name: string, help: string, value: () => number): Gauge => new Gauge({ name, help, registers: [metrics], collect: function () { this.set(value()); } });
  journalGauge("weir_journal_unconfirmed_attempts", "Attempts in the journal that the ledger has not confirmed: running ones, and those whose outcome is on its way.", () => recorder.journalUsage.entries);
  journalGauge("weir_journal_bytes", "Bytes of their records in the journal, with the room that is kept for outcomes; at limits.max_journal_bytes attempts are refused.", () => recorder.journalUsage.liveBytes + recorder.journalUsage.reservedBytes);
  const stopping = new AbortController();
  return {
    descriptor: ProvidersService,
    implementation: {
      attempt: (request, context) => {
        attempts.inc({ provider: request.provider });
        return attempt(parts, request, context);
      },
      peekCredential: (request) => peekCredential(request, providers),
      createCredential: (request) => createCredential(request, credentialParts),
      listCredentials: (request) => listCredentials(request, credentialParts),
      updateCredential: (request) => updateCredential(request, credentialParts),
      rotateCredential: (request) => rotateCredential(request, credentialParts),
      deleteCredential: (request) => deleteCredential(request, credentialParts),
      watchCatalog: (request, { signal }) => watchCatalog(request, catalog, AbortSignal.any([signal, stopping.signal])),
    },
    async stop() {
      stopping.abort();
      unfollow();
      // First: attempts whose tokens are being counted are settled by their bytes.
      await tokens.stop();
      await running.stop(graceMs);
      clearInterval(checkpoints);
      clearInterval(credentialLooks);
      try {
        await Promise.all([recorder.stop(), leftovers.stop(), batches.stop()]);
      } finally {
        await providers.stop();
        await stored.stop();
      }
    },
  };
}

/** The keys for stored credentials: the one that the Vault of this configuration keeps, or else the installation's; then the other one, under which they may still lie. */
export async function openKeyWrappings(vault: Vault | undefined, installation: InstallationKey, clock: Clock): Promise<KeyWrappings> {
  if (vault?.transit === undefined) return [new LocalKey(await installation.make())];
  const transit = new TransitKey(vault.transit, new VaultClient(vault), clock);
  if (vault.transit.retired) return [new LocalKey(await installation.make()), transit];
  const former = await installation.find();
  return former === undefined ? [transit] : [transit, new LocalKey(former)];
}

/** Changes are applied one after the other; the catalogue shows each when it can be called. */
function followConfig(config: LiveValue<ProvidersConfig>, providers: LiveProviders, stored: StoredCredentials, catalog: MutableLiveValue<Catalog>, logger: Logger): () => void {
  let applied = Promise.resolve();
  return config.subscribe((changed) => {
    applied = applied
      .then(() => (takesStored(changed) ? stored.follow() : undefined))
      .then(() => providers.apply(changed))
      .then(() => catalog.set({ config: changed, credentialProblems: providers.credentialProblems() }))
      .catch((error: unknown) => logger.error({ error }, "the changed providers cannot be used; the former stay in force"));
  });
}

function showProblems(credentialProblems: Catalog["credentialProblems"], catalog: MutableLiveValue<Catalog>): void {
  const { current } = catalog;
  if (!isDeepStrictEqual(credentialProblems, current.credentialProblems)) catalog.set({ ...current, credentialProblems });
}

/** Where no provider does, no database is opened. */
function takesStored({ providers }: ProvidersConfig): boolean {
  return providers.values().some(({ hasStoredCredentials }) => hasStoredCredentials);
}
