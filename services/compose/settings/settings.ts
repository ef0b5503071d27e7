/** Owns the configuration as a whole: the file with each service's part read from it, as far as a process reads it; valid as a whole or not at all. */
import { create } from "@bufbuild/protobuf";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";
import { refuseFaults, refuseField, type Fault } from "#platform/config-file/faults.ts";
import { entryPath } from "#platform/config-file/field-path.ts";
import { loadConfigFile, type ConfigFileOptions } from "#platform/config-file/load-config-file.ts";
import { GatewayError } from "#platform/errors.ts";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { checkProxy } from "#platform/egress/proxy.ts";
import { readNatsSettings, type NatsSettings } from "#platform/event-log/nats-settings.ts";
import type { ListenerTlsSettings } from "#platform/http/listener-tls.ts";
import type { LogLevel } from "#platform/logger.ts";
import { checkTracing } from "#platform/tracing/tracing.ts";
import { readMeteringConfig, type MeteringConfig } from "../../metering/config.ts";
import { readPolicyConfig, type PolicyConfig } from "../../policy/config.ts";
import { readProvidersConfig, type ProvidersConfig } from "../../providers/config.ts";
import { checkPluginFiles, readRoutingConfig, type RoutingConfig } from "../../routing/config.ts";
import type { ServiceName, ServiceSet } from "../catalog.ts";
import { defaultAdminAddress, defaultAdminPort } from "../defaults.ts";
import { partsOfOthers, readableHere, readBy } from "./own-parts.ts";

export interface Settings {
  readonly file: Config;
  // Of a service that does not run here, without its own parts (own-parts.ts).
  readonly routing: RoutingConfig;
  readonly metering: MeteringConfig;
  readonly policy: PolicyConfig;
  readonly providers: ProvidersConfig;
  readonly publicAddress: string;
  readonly publicPort: number;
  /** Undefined for a public port without TLS. */
  readonly publicTls: ListenerTlsSettings | undefined;
  readonly adminAddress: string;
  readonly adminPort: number;
  /** For other Weir processes. */
  readonly internalPort: number;
  readonly logLevel: LogLevel;
  /** Undefined where usage events go straight to metering. */
  readonly nats: NatsSettings | undefined;
  /** How long requests may take to end after SIGTERM. */
  readonly drainTimeoutMs: number;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The settings of the file, or the defaults without one, for a process with these services. Throws ConfigFileError, or INVALID_REQUEST from a service that cannot use its part. */
export async function loadSettings(path: string | undefined, variables: Variables, services: ServiceSet): Promise<Settings> {
  const file = path === undefined ? create(ConfigSchema) : await loadConfigFile({ path, ...settingsReading(variables, services) });
  return readSettings(file, variables, services);
}

/** How the file is read for a process with these services. */
export function settingsReading(variables: Variables, services: ServiceSet): Omit<ConfigFileOptions<typeof ConfigSchema>, "path"> {
  return { environment: variables, schema: ConfigSchema, unread: partsOfOthers(services), faultsOf: (file) => settingFaults(file, variables, services) };
}

/** What services find in their parts that the contract cannot say, as far as it has a place in the file; the rest `readSettings` throws. */
function settingFaults(file: Config, variables: Variables, services: ServiceSet): readonly Fault[] {
  try {
    readSettings(file, variables, services);
    return [];
  } catch (error) {
    return error instanceof GatewayError ? error.fieldViolations : [];
  }
}

export function readSettings(file: Config, variables: Variables, services: ServiceSet): Settings {
  // As far as a process can tell, a file that is wrong for another one is wrong for all.
  readParts(readBy(readableHere(services, file), file), {});
  const read = readBy(services, file);
  const { routing, metering, policy, providers } = readParts(read, variables);
  const nats = readNatsSettings(read.events?.nats, variables["WEIR_NATS_URL"]);
  if (services.has("policy") && policy.alerts.nats && nats === undefined) refuseField("alerts.nats", "there is no NATS to publish them to. Set events.nats or WEIR_NATS_URL, or leave it out.");
  if (routing.cache?.shared !== undefined && nats === undefined) refuseField("cache.shared", "there is no NATS to share replies through. Set events.nats or WEIR_NATS_URL, or leave it out.");
  checkTracing(read.tracing);
  checkProxy(read.proxy);
  checkProviderNames(file, routing, providers, services);
  if (services.has("providers")) {
    checkJudges(file, routing, providers);
    checkEmbedders(routing, providers);
  }
  if (services.has("routing")) {
    checkPlugins(file);
    checkPluginFiles(routing);
  }
  return {
    file,
    routing,
    metering,
    policy,
    providers,
    publicAddress: read.listen?.address ?? "127.0.0.1",
    publicPort: read.listen?.port ?? 8080,
    publicTls: readPublicTls(read),
    adminAddress: read.listen?.adminAddress ?? defaultAdminAddress,
    adminPort: read.listen?.adminPort ?? defaultAdminPort,
    internalPort: read.internal?.port ?? 8090,
    logLevel: (read.logging?.level || "info") as LogLevel,
    nats,
    drainTimeoutMs: read.limits?.drainTimeout === undefined ? 30_000 : durationMs(read.limits.drainTimeout),
  };
}

function readParts(file: Config, variables: Variables): Pick<Settings, ServiceName> {
  return { routing: readRoutingConfig(file), metering: readMeteringConfig(file), policy: readPolicyConfig(file), providers: readProvidersConfig(file, variables) };
}

function readPublicTls({ listen }: Config): ListenerTlsSettings | undefined {
  if (listen?.tls === undefined) return undefined;
  const { certificateFile, keyFile, clientAuthorityFile } = listen.tls;
  return { certificateFile, keyFile, clientAuthorityFile: clientAuthorityFile === "" ? undefined : clientAuthorityFile };
}

/** A route goes to providers that exist. Those that are found in the environment of another process are not known here. */
function checkProviderNames(file: Config, { routes }: RoutingConfig, { providers }: ProvidersConfig, services: ServiceSet): void {
  const names = services.has("providers") ? [...providers.keys()] : Object.keys(file.providers);
  if (names.length === 0) return;
  const lists = [...routes].flatMap(([name, { targets, cases }]) => {
    const route = entryPath("routes", name);
    return [{ field: `${route}.targets`, targets }, ...cases.map((one, index) => ({ field: `${route}.cases[${index}].targets`, targets: one.targets }))];
  });
  const faults = lists.flatMap(({ field, targets }) =>
    targets.filter((target) => !names.includes(target.slice(0, target.indexOf("/")))).map((target) => ({ field, description: `"${target}" names no provider; there are ${names.join(", ")}.` })),
  );
  refuseFaults(faults);
}

/** Which model judges texts for the file's guardrails is in the file, too. */
function checkJudges({ guardrails }: Config, routing: RoutingConfig, providers: ProvidersConfig): void {
  refuseFaults(guardrails.flatMap(({ check }, index) => (check.case === undefined || check.case === "plugin" ? [] : modelFaults(`guardrails[${index}].${check.case}`, check.value.model, routing, providers))));
}

/** And so is the plug-in that does. */
function checkPlugins({ guardrails, guardrailPlugins }: Config): void {
  const faults = guardrails.flatMap(({ check }, index) => {
    if (check.case !== "plugin" || Object.hasOwn(guardrailPlugins, check.value)) return [];
    return [{ field: `guardrails[${index}].plugin`, description: `"${check.value}" names no plug-in; guardrail_plugins has ${Object.keys(guardrailPlugins).join(", ") || "none"}.` }];
  });
  refuseFaults(faults);
}

/** What gives texts their vectors for the cache is in the file, too. */
function checkEmbedders(routing: RoutingConfig, providers: ProvidersConfig): void {
  const rules = routing.cache?.rules ?? [];
  refuseFaults(rules.flatMap(({ similar }, index) => (similar === undefined ? [] : modelFaults(`cache.rules[${index}].similar.model`, similar.model, routing, providers))));
}

function modelFaults(field: string, name: string, { routes }: RoutingConfig, { providers }: ProvidersConfig): readonly Fault[] {
  const isModel = routes.has(name) || providers.has(name.slice(0, name.indexOf("/"))) || [...providers.values()].some(({ models }) => models.includes(name));
  return isModel ? [] : [{ field, description: `"${name}" names no route, and no model of a provider.` }];
}
