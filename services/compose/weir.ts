/** Owns starting a set of services in this process, in the order in which they need each other, and stopping them in the reverse one. */
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { watchConfigFile } from "#platform/config-file/watch-config-file.ts";
import { openDatabase, type Database } from "#platform/database/database.ts";
import { followProxy } from "#platform/egress/proxy.ts";
import { connectNats, type NatsLink } from "#platform/event-log/nats-link.ts";
import { createHealthService } from "#platform/rpc/health.ts";
import { listen, type Listener } from "#platform/http/listener.ts";
import { deriveLive, MutableLiveValue, type LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { Registry } from "#platform/metrics.ts";
import { listenInternally, type InternalListener, type OfferedService } from "#platform/peers/internal-listener.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { UntypedService } from "#platform/rpc/service-types.ts";
import { openTracing, type Tracing } from "#platform/tracing/tracing.ts";
import { waitFor } from "#platform/wait-for.ts";
import type { BootstrapKey } from "../policy/service.ts";
import type { CredentialStore } from "../providers/service.ts";
import { auditConfiguration } from "./audit-configuration.ts";
import { callersOf, offeredBy, peerDescriptors, type ServiceName, type ServiceSet } from "./catalog.ts";
import { readSecret, writeSecret, type DataDirectory } from "./data-directory.ts";
import type { DatabaseSource, Schema } from "./database-source.ts";
import { defaultConfigFile } from "./defaults.ts";
import { readInternalSettings, type InternalSettings } from "./settings/internal-settings.ts";
import { Peers } from "./peers.ts";
import type { Readiness } from "./readiness.ts";
import { reachableHost } from "./reachable-host.ts";
import { partsThatNeedRestart } from "./settings/restart-needed.ts";
import { readSettings, settingsReading, type Settings } from "./settings/settings.ts";
import { version } from "./version.ts";

export interface WeirOptions {
  /** The services of this process. */
  readonly services: ServiceSet;
  readonly settings: Settings;
  /** The file the settings are from, to be watched; undefined when there is none, which may come to be one of the default name here. */
  readonly configPath: string | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly data: DataDirectory;
  readonly databases: DatabaseSource;
  /** Told how far the start is. */
  readonly readiness: Readiness;
  readonly metrics: Registry;
  readonly logger: Logger;
}

export interface RunningWeir {
  readonly services: ServiceSet;
  /** Where routing is among the services. */
  readonly publicListener: Listener | undefined;
  /** Where other processes have to call this one. */
  readonly internalListener: InternalListener | undefined;
  /** Where policy is among the services. */
  readonly inferenceKey: Secret | undefined;
  /** The peers in other processes, for people. */
  readonly remotePeers: readonly string[];
  /** Stops all: no new requests, running ones up to the bound, then everything behind them. */
  stop(drainMs: number): Promise<void>;
}

/** Each is loaded only in a process that runs it: all of them take a second. */
const load = {
  metering: () => import("../metering/service.ts"),
  policy: () => import("../policy/service.ts"),
  providers: () => import("../providers/service.ts"),
  routing: () => import("../routing/service.ts"),
};

type Providers = Awaited<ReturnType<typeof load.providers>>;

/** Makes sure that there is such a key, and returns it. */
type Bootstrap = (key: BootstrapKey) => Promise<Secret>;

type Cleanup = (drainMs: number) => Promise<void> | void;

/** Starts Weir. What was started is stopped again when a later part fails. */
export async function startWeir(options: WeirOptions): Promise<RunningWeir> {
  const cleanups: Cleanup[] = [];
  const stop = (drainMs: number): Promise<void> => cleanUp(cleanups.splice(0).reverse(), drainMs);
  try {
    return await new Start(options, cleanups).run(stop);
  } catch (error) {
    await stop(0);
    throw error;
  }
}

/** All of them, also behind one that fails: what was left would keep the process, and its database, for ever. Throws what the first one threw. */
async function cleanUp(cleanups: readonly Cleanup[], drainMs: number): Promise<void> {
  const errors: unknown[] = [];
  for (const cleanup of cleanups) {
    try {
      await cleanup(drainMs);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

/** What a start has made so far. */
class Start {
  readonly #options: WeirOptions;
  readonly #cleanups: Cleanup[];
  readonly #internal: InternalSettings;
  readonly #peers: Peers;
  readonly #live: LiveValue<Settings>;
  #tracing!: Tracing;
  /** Fires when the process begins to drain. */
  readonly #draining = new AbortController();
  /** Why it will not be ready until it is started again. */
  #unfit: string | undefined;

  constructor(options: WeirOptions, cleanups: Cleanup[]) {
    this.#options = options;
    this.#cleanups = cleanups;
    this.#internal = readInternalSettings(options.settings.file, options.services, options.settings.nats !== undefined);
    this.#peers = new Peers(this.#internal, options.logger);
    cleanups.push(() => this.#peers.close());
    this.#live = followConfigFile(options, cleanups);
    cleanups.push(followProxy(deriveLive(this.#live, ({ file }) => file.proxy)));
  }

  async run(stop: (drainMs: number) => Promise<void>): Promise<RunningWeir> {
    const { services, data, readiness } = this.#options;
    await data.create();
    this.#tracing = await this.#openTracing();
    if (services.has("metering")) await this.#startMetering();
    const inferenceKey = services.has("policy") ? await this.#startPolicy() : undefined;
    if (services.has("providers")) await this.#startProviders();
    const internalListener = await this.#listenInternally();
    readiness.waitsFor(`answers from ${this.#peers.remote.join(", ") || "its services"}`);
    const publicListener = services.has("routing") ? await this.#startRouting() : undefined;
    this.#auditConfiguration();
    this.#cleanups.push(() => {
      readiness.waitsFor("its running requests, to stop");
      this.#draining.abort();
    });
    if (this.#unfit === undefined) readiness.isReady();
    else readiness.waitsFor(this.#unfit);
    return {
      services,
      publicListener,
      internalListener,
      inferenceKey,
      remotePeers: this.#peers.remote,
      stop,
    };
  }

  /** Stopped after the services, whose last spans it sends. */
  async #openTracing(): Promise<Tracing> {
    const { logger, metrics } = this.#options;
    const tracing = await openTracing({ config: deriveLive(this.#live, ({ file }) => file.tracing), version, logger, metrics });
    this.#cleanups.push(() => tracing.stop());
    return tracing;
  }

  async #openDatabase(schema: Schema, migrationsDirectory: string): Promise<Database> {
    const { databases, readiness, logger } = this.#options;
    readiness.waitsFor("the database");
    const connection = await databases.connectionOf(schema);
    const database = await waitFor("the database", () => openDatabase({ connection, schema, migrationsDirectory, logger }), logger);
    this.#cleanups.push(() => database.close());
    return database;
  }

  /** Returns the key for inference that every start can show. */
  async #startPolicy(): Promise<Secret> {
    const { data } = this.#options;
    const policy = await load.policy();
    const database = await this.#openDatabase("policy", policy.migrationsDirectory);
    const pepper = await data.pepper();
    const peers = { metering: this.#peers.of("metering", "policy") };
    const eventLog = this.#options.settings.policy.alerts.nats ? this.#openEventLog("policy", randomUUID()) : undefined;
    const config = deriveLive(this.#live, (current) => current.policy);
    const dependencies = { ...(eventLog === undefined ? {} : { eventLog }), database, pepper, config, clock: systemClock, logger: this.#loggerOf("policy"), peers, metrics: this.#options.metrics };
    const inferenceKey = await ensureKeys(data, (key) => policy.bootstrapTenancy(dependencies, key));
    const service = await policy.createPolicyService(dependencies);
    this.#cleanups.push(() => service.stop());
    this.#peers.own("policy", service.implementation, this.#tracing.tracerOf("policy"));
    return inferenceKey;
  }

  async #startMetering(): Promise<void> {
    const metering = await load.metering();
    const database = await this.#openDatabase("metering", metering.migrationsDirectory);
    const config = deriveLive(this.#live, (current) => current.metering);
    const eventLog = this.#openEventLog("metering", randomUUID());
    const service = await metering.createMeteringService({ ...(eventLog === undefined ? {} : { eventLog }), database, config, clock: systemClock, logger: this.#loggerOf("metering"), metrics: this.#options.metrics });
    this.#cleanups.push(() => service.stop());
    this.#peers.own("metering", service.implementation, this.#tracing.tracerOf("metering"));
  }

  async #startProviders(): Promise<void> {
    const providers = await load.providers();
    const instance = await this.#options.data.claimInstance();
    this.#cleanups.push(() => instance.lock.release());
    const eventLog = this.#openEventLog("providers", instance.id);
    const service = await providers.createProvidersService({
      ...(eventLog === undefined ? { metering: this.#peers.of("metering", "providers") } : { eventLog }),
      config: deriveLive(this.#live, (current) => current.providers),
      instance: instance.name,
      journalDirectory: instance.journal,
      credentialStore: this.#credentialStore(providers),
      claimLeftoverJournal: () => this.#options.data.claimLeftoverJournal(),
      onUnfit: (why) => {
        this.#unfit = why;
        this.#options.readiness.waitsFor(why);
      },
      clock: systemClock,
      logger: this.#loggerOf("providers"),
      metrics: this.#options.metrics,
      tracer: this.#tracing.tracerOf("providers"),
    });
    this.#cleanups.push(() => service.stop());
    this.#peers.own("providers", service.implementation, this.#tracing.tracerOf("providers"));
  }

  /** Nothing of it is opened before a provider takes stored credentials, or one is stored. */
  #credentialStore(providers: Providers): CredentialStore | undefined {
    const { databases, data, variables, settings } = this.#options;
    const given = variables["WEIR_CREDENTIAL_KEY"];
    if (!databases.schemas.includes("providers")) return undefined;
    return {
      openDatabase: async () => openDatabase({ connection: await databases.connectionOf("providers"), schema: "providers", migrationsDirectory: providers.migrationsDirectory, logger: this.#loggerOf("providers") }),
      openKeys: () => providers.openKeyWrappings(settings.file.vault, { find: () => data.findCredentialKey(given), make: () => data.credentialKey(given) }, systemClock),
    };
  }

  async #listenInternally(): Promise<InternalListener | undefined> {
    const names = offeredBy(this.#options.services);
    if (names.length === 0) return undefined;
    const { address, protection, maximumMessageBytes } = this.#internal;
    const offered = names.map((name): OfferedService => ({ descriptor: peerDescriptors[name], owner: this.#peers.offered(name), callers: callersOf(name) }));
    const health = createHealthService(names.map((name) => peerDescriptors[name].typeName), this.#draining.signal);
    const services = [...offered, { descriptor: Health, owner: health as unknown as UntypedService, callers: undefined }];
    const listener = await listenInternally({ address, port: this.#options.settings.internalPort, services, protection: protection!, maximumMessageBytes, logger: this.#options.logger });
    this.#cleanups.push((drainMs) => listener.close(drainMs));
    return listener;
  }

  async #startRouting(): Promise<Listener> {
    const { settings, data } = this.#options;
    const { createRoutingService } = await load.routing();
    const sharedCache = settings.routing.cache?.shared && this.#openEventLog("routing", randomUUID());
    const service = await createRoutingService({
      ...(sharedCache === undefined ? {} : { sharedCache }),
      config: deriveLive(this.#live, (current) => current.routing),
      peers: { policy: this.#peers.of("policy", "routing"), providers: this.#peers.of("providers", "routing"), metering: this.#peers.of("metering", "routing") },
      clock: systemClock,
      logger: this.#loggerOf("routing"),
      metrics: this.#options.metrics,
      tracer: this.#tracing.tracerOf("routing"),
      draining: this.#draining.signal,
    });
    this.#cleanups.push(() => service.stop());
    const listener = await listen({ address: settings.publicAddress, port: settings.publicPort, tls: settings.publicTls, handler: service.frontDoor.handle, logger: this.#loggerOf("routing"), portHint: "Set listen.port in weir.yaml, or start with --port." });
    this.#cleanups.push((drainMs) => listener.close(drainMs, service.frontDoor.cutOff));
    const origin = originOf(listener);
    await data.writeAddress(origin);
    this.#cleanups.push(() => data.forgetAddress(origin));
    return listener;
  }

  /** By the services that metering hears: the others of an installation have the same file, or none of their own to tell of. */
  #auditConfiguration(): void {
    const { services } = this.#options;
    const self = (["metering", "routing"] as const).find((name) => services.has(name));
    if (self === undefined) return;
    this.#cleanups.push(auditConfiguration({ metering: this.#peers.of("metering", self), self, services, live: this.#live, logger: this.#loggerOf(self) }));
  }

  /** Undefined where there is no NATS: usage events go straight to metering. */
  #openEventLog(service: ServiceName, instance: string): NatsLink | undefined {
    const { nats } = this.#options.settings;
    if (nats === undefined) return undefined;
    const link = connectNats({ settings: nats, service, instance, logger: this.#loggerOf(service) });
    this.#cleanups.push(() => link.close());
    return link;
  }

  #loggerOf(service: ServiceName): Logger {
    return this.#options.logger.child({ service });
  }
}

/** What a person needs to know of a running Weir; plain values, so that one process can tell another. */
export interface WeirFacts {
  readonly services: readonly ServiceName[];
  readonly publicOrigin: string | undefined;
  /** Address and port. */
  readonly internalAddress: string | undefined;
  readonly inferenceKey: string | undefined;
  readonly remotePeers: readonly string[];
}

export function factsOf({ services, publicListener, internalListener, inferenceKey, remotePeers }: RunningWeir): WeirFacts {
  return {
    services: [...services],
    publicOrigin: publicListener === undefined ? undefined : originOf(publicListener),
    internalAddress: internalListener === undefined ? undefined : `${internalListener.address}:${internalListener.port}`,
    inferenceKey: inferenceKey?.reveal(),
    remotePeers,
  };
}

/** Where this machine reaches the listener. */
export function originOf(listener: Listener): string {
  return `${listener.scheme}://${reachableHost(listener.address)}:${listener.port}`;
}

function followConfigFile({ settings, services, configPath, variables, logger }: WeirOptions, cleanups: Cleanup[]): LiveValue<Settings> {
  const live = new MutableLiveValue(settings);
  const path = configPath ?? resolve(defaultConfigFile);
  const stopWatching = watchConfigFile({
    path,
    isAwaited: configPath === undefined,
    ...settingsReading(variables, services),
    current: settings.file,
    onChange: (file) => {
      try {
        live.set(readSettings(file, variables, services));
        logger.level = live.current.logLevel;
        logger.info({ file: path }, "configuration reloaded");
        const parts = partsThatNeedRestart(settings.file, file);
        if (parts.length > 0) logger.warn({ file: path, parts }, "these parts of the configuration differ from those that Weir runs with, and are taken over when it is started again");
      } catch (error) {
        logger.error({ file: path, error }, "the changed configuration cannot be used; the former stays in force");
      }
    },
    onProblem: (error) => logger.error({ file: path, problem: error.message }, "the changed configuration cannot be used; the former stays in force"),
  });
  cleanups.push(stopWatching);
  return live;
}

/** The keys of a first start, kept on file so that every start can show a call that works; returns the one for inference. */
async function ensureKeys(data: DataDirectory, bootstrap: Bootstrap): Promise<Secret> {
  await ensureKey(data.adminKeyFile, "admin", Role.INSTALLATION_ADMIN, bootstrap);
  return ensureKey(data.inferenceKeyFile, "first inference key", Role.INFERENCE, bootstrap);
}

async function ensureKey(file: string, name: string, role: Role, bootstrap: Bootstrap): Promise<Secret> {
  const storedSecret = await readSecret(file);
  const secret = await bootstrap({ name, role, storedSecret });
  if (secret.reveal() !== storedSecret?.reveal()) await writeSecret(file, secret);
  return secret;
}
