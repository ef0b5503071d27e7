/** Owns starting all services in this process, in the order in which they need each other, and stopping them in the reverse one. */
import { KeyRole, PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ConfigSchema } from "#gen/weir/config/v1/config_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { systemClock } from "#platform/clock.ts";
import { watchConfigFile } from "#platform/config-file/watch-config-file.ts";
import { openDatabase, type Database } from "#platform/database/database.ts";
import { startPostgresServer, type PostgresServer } from "#platform/database/postgres-server.ts";
import { lockDirectory } from "#platform/directory-lock.ts";
import { listen, type Listener } from "#platform/listener.ts";
import { deriveLive, MutableLiveValue } from "#platform/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import { guardService } from "#platform/method-guard.ts";
import { createMetricsRegistry } from "#platform/metrics.ts";
import type { Secret } from "#platform/secret.ts";
import * as metering from "../metering/service.ts";
import * as policy from "../policy/service.ts";
import { createProvidersService } from "../providers/service.ts";
import { createRoutingService } from "../routing/service.ts";
import { createAdminHandler } from "./admin-door.ts";
import { readSecret, writeSecret, type DataDirectory } from "./data-directory.ts";
import { readSettings, type Settings } from "./settings.ts";

export interface WeirOptions {
  readonly settings: Settings;
  /** The file the settings are from, to be watched; undefined when there is none. */
  readonly configPath: string | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly data: DataDirectory;
  /** A PostgreSQL to use; undefined starts Weir's own. */
  readonly databaseUrl: string | undefined;
  readonly logger: Logger;
}

export interface RunningWeir {
  readonly publicListener: Listener;
  readonly adminListener: Listener;
  readonly inferenceKey: Secret;
  /** Resolves when something that Weir cannot work without is gone for good. */
  readonly failed: Promise<Error>;
  /** Stops all: no new requests, running ones up to a bound, then everything behind them. */
  stop(): Promise<void>;
}

/** How long running requests may take to end when Weir stops. */
const drainMs = 3_000;

type Cleanup = () => Promise<void> | void;

/** Starts Weir. What was started is stopped again when a later part fails. */
export async function startWeir(options: WeirOptions): Promise<RunningWeir> {
  const cleanups: Cleanup[] = [];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  try {
    return await start(options, cleanups, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(options: WeirOptions, cleanups: Cleanup[], stop: () => Promise<void>): Promise<RunningWeir> {
  const { settings, data, logger } = options;
  const clock = systemClock;
  const metrics = createMetricsRegistry();
  await data.create();
  const lock = lockDirectory(data.path);
  cleanups.push(() => lock.release());
  const live = followConfigFile(options, cleanups);

  const databases = await openDatabases(options, cleanups);
  const pepper = await data.pepper();
  const policyDependencies = { database: databases.policy, pepper, clock, logger: logger.child({ service: "policy" }) };
  const inferenceKey = await ensureKeys(data, policyDependencies);

  const meteringService = await metering.createMeteringService({
    database: databases.metering,
    config: deriveLive(live, (current) => current.metering),
    clock,
    logger: logger.child({ service: "metering" }),
  });
  cleanups.push(() => meteringService.stop());
  const policyService = await policy.createPolicyService(policyDependencies);
  cleanups.push(() => policyService.stop());
  const meteringPeer = guardService(MeteringService, meteringService.implementation);
  const providersService = await createProvidersService({
    config: deriveLive(live, (current) => current.providers),
    metering: meteringPeer,
    journalDirectory: data.journal,
    clock,
    logger: logger.child({ service: "providers" }),
  });
  cleanups.push(() => providersService.stop());
  const routingService = await createRoutingService({
    config: deriveLive(live, (current) => current.routing),
    peers: {
      policy: guardService(PolicyService, policyService.implementation),
      providers: guardService(ProvidersService, providersService.implementation),
      metering: meteringPeer,
    },
    pepper,
    clock,
    logger: logger.child({ service: "routing" }),
    metrics,
  });
  cleanups.push(() => routingService.stop());

  const admin = createAdminHandler(metrics);
  const adminListener = await listen({ address: "127.0.0.1", port: settings.adminPort, handler: admin.handler, portHint: "Set listen.admin_port in weir.yaml, or start with --admin-port." });
  cleanups.push(() => adminListener.close(0));
  const publicListener = await listen({ address: settings.publicAddress, port: settings.publicPort, handler: routingService.frontDoor, portHint: "Set listen.port in weir.yaml, or start with --port." });
  cleanups.push(async () => {
    admin.setReady(false);
    routingService.beginDraining();
    await publicListener.close(drainMs);
  });
  await data.writeAddress(`http://${hostOf(publicListener)}:${publicListener.port}`);
  cleanups.push(() => data.forgetAddress());
  admin.setReady(true);
  return { publicListener, adminListener, inferenceKey, failed: databases.failed, stop };
}

/** The host by which this machine reaches the listener. */
export function hostOf({ address }: Listener): string {
  if (address === "0.0.0.0" || address === "::") return "127.0.0.1";
  return address.includes(":") ? `[${address}]` : address;
}

function followConfigFile({ settings, configPath, variables, logger }: WeirOptions, cleanups: Cleanup[]): MutableLiveValue<Settings> {
  const live = new MutableLiveValue(settings);
  if (configPath === undefined) return live;
  const stopWatching = watchConfigFile({
    path: configPath,
    environment: variables,
    schema: ConfigSchema,
    current: settings.file,
    onChange: (file) => {
      try {
        live.set(readSettings(file, variables));
        logger.level = live.current.logLevel;
        logger.info({ file: configPath }, "configuration reloaded");
      } catch (error) {
        logger.error({ file: configPath, error }, "the changed configuration cannot be used; the former stays in force");
      }
    },
    onProblem: (error) => logger.error({ file: configPath, problem: error.message }, "the changed configuration cannot be used; the former stays in force"),
  });
  cleanups.push(stopWatching);
  return live;
}

interface Databases {
  readonly policy: Database;
  readonly metering: Database;
  readonly failed: Promise<Error>;
}

async function openDatabases({ databaseUrl, data, logger }: WeirOptions, cleanups: Cleanup[]): Promise<Databases> {
  let server: PostgresServer | undefined;
  if (databaseUrl === undefined) {
    server = await startPostgresServer({ dataDirectory: data.postgres, logger: logger.child({ service: "database" }) });
    cleanups.push(() => server!.stop());
  }
  const open = async (schema: string, migrationsDirectory: string): Promise<Database> => {
    const connection = server === undefined ? { connectionString: databaseUrl! } : await server.connectionOf(schema);
    const database = await openDatabase({ connection, schema, migrationsDirectory, logger });
    cleanups.push(() => database.close());
    return database;
  };
  const policyDatabase = await open("policy", policy.migrationsDirectory);
  const meteringDatabase = await open("metering", metering.migrationsDirectory);
  return { policy: policyDatabase, metering: meteringDatabase, failed: server?.failed ?? new Promise(() => undefined) };
}

/** The keys of a first start, kept on file so that every start can show a call that works; returns the one for inference. */
async function ensureKeys(data: DataDirectory, dependencies: policy.PolicyDependencies): Promise<Secret> {
  await ensureKey(data.adminKeyFile, "admin", KeyRole.ADMIN, dependencies);
  return ensureKey(data.inferenceKeyFile, "first inference key", KeyRole.INFERENCE, dependencies);
}

async function ensureKey(file: string, name: string, role: KeyRole, dependencies: policy.PolicyDependencies): Promise<Secret> {
  const storedSecret = await readSecret(file);
  const secret = await policy.bootstrapTenancy(dependencies, { name, role, storedSecret });
  if (secret.reveal() !== storedSecret?.reveal()) await writeSecret(file, secret);
  return secret;
}
