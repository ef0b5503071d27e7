/** Owns the configuration as a whole: the file with each service's part read from it, valid as a whole or not at all. */
import { create } from "@bufbuild/protobuf";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";
import { entryPath } from "#platform/config-file/field-path.ts";
import { loadConfigFile } from "#platform/config-file/load-config-file.ts";
import { GatewayError } from "#platform/errors.ts";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { readNatsSettings, type NatsSettings } from "#platform/event-log/nats-settings.ts";
import type { ListenerTlsSettings } from "#platform/listener-tls.ts";
import type { LogLevel } from "#platform/logger.ts";
import { checkTracing } from "#platform/tracing/tracing.ts";
import { readMeteringConfig, type MeteringConfig } from "../metering/config.ts";
import { readPolicyConfig, type PolicyConfig } from "../policy/config.ts";
import { readProvidersConfig, type ProvidersConfig } from "../providers/config.ts";
import { readRoutingConfig, type RoutingConfig } from "../routing/config.ts";
import { defaultAdminAddress, defaultAdminPort } from "./defaults.ts";

export interface Settings {
  readonly file: Config;
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

interface Fault {
  readonly field: string;
  readonly description: string;
}

type Variables = Readonly<Record<string, string | undefined>>;

/** The settings of the file, or the defaults without one. Throws ConfigFileError, or INVALID_REQUEST from a service that cannot use its part. */
export async function loadSettings(path: string | undefined, variables: Variables): Promise<Settings> {
  const file = path === undefined ? create(ConfigSchema) : await loadConfigFile({ path, environment: variables, schema: ConfigSchema, faultsOf: (config) => settingFaults(config, variables) });
  return readSettings(file, variables);
}

/** What services find in their parts that the contract cannot say, as far as it has a place in the file; the rest `readSettings` throws. */
export function settingFaults(file: Config, variables: Variables): readonly Fault[] {
  try {
    readSettings(file, variables);
    return [];
  } catch (error) {
    return error instanceof GatewayError ? error.fieldViolations : [];
  }
}

export function readSettings(file: Config, variables: Variables): Settings {
  const routing = readRoutingConfig(file);
  const providers = readProvidersConfig(file, variables);
  checkTargets(routing, providers);
  const policy = readPolicyConfig(file);
  const nats = readNatsSettings(file.events?.nats, variables["WEIR_NATS_URL"]);
  if (policy.alerts.nats && nats === undefined) throw new GatewayError("INVALID_REQUEST", "alerts.nats: there is no NATS to publish them to. Set events.nats or WEIR_NATS_URL, or leave it out.");
  if (routing.cache?.shared !== undefined && nats === undefined) refuseFaults([{ field: "cache.shared", description: "there is no NATS to share replies through. Set events.nats or WEIR_NATS_URL, or leave it out." }]);
  checkJudges(file, routing, providers);
  checkTracing(file.tracing);
  checkEmbedders(routing, providers);
  return {
    file,
    routing,
    metering: readMeteringConfig(file),
    policy,
    providers,
    publicAddress: file.listen?.address ?? "127.0.0.1",
    publicPort: file.listen?.port ?? 8080,
    publicTls: readPublicTls(file),
    adminAddress: file.listen?.adminAddress ?? defaultAdminAddress,
    adminPort: file.listen?.adminPort ?? defaultAdminPort,
    internalPort: file.internal?.port ?? 8090,
    logLevel: (file.logging?.level || "info") as LogLevel,
    nats,
    drainTimeoutMs: file.limits?.drainTimeout === undefined ? 30_000 : durationMs(file.limits.drainTimeout),
  };
}

function readPublicTls({ listen }: Config): ListenerTlsSettings | undefined {
  if (listen?.tls === undefined) return undefined;
  const { certificateFile, keyFile, clientAuthorityFile } = listen.tls;
  return { certificateFile, keyFile, clientAuthorityFile: clientAuthorityFile === "" ? undefined : clientAuthorityFile };
}

/** The one rule that spans two services: a route goes to providers that exist. */
function checkTargets({ routes }: RoutingConfig, { providers }: ProvidersConfig): void {
  const lists = [...routes].flatMap(([name, { targets, cases }]) => {
    const route = entryPath("routes", name);
    return [{ field: `${route}.targets`, targets }, ...cases.map((one, index) => ({ field: `${route}.cases[${index}].targets`, targets: one.targets }))];
  });
  const faults = lists.flatMap(({ field, targets }) =>
    targets.filter((target) => !providers.has(target.slice(0, target.indexOf("/")))).map((target) => ({ field, description: `"${target}" names no provider; there are ${[...providers.keys()].join(", ")}.` })),
  );
  refuseFaults(faults);
}

/** Who judges texts for the file's guardrails is in the file, too. */
function checkJudges({ guardrails, guardrailPlugins }: Config, routing: RoutingConfig, providers: ProvidersConfig): void {
  const faults = guardrails.flatMap(({ check }, index) => {
    if (check.case === undefined) return [];
    const field = `guardrails[${index}].${check.case}`;
    if (check.case !== "plugin") return modelFaults(field, check.value.model, routing, providers);
    return Object.hasOwn(guardrailPlugins, check.value) ? [] : [{ field, description: `"${check.value}" names no plug-in; guardrail_plugins has ${Object.keys(guardrailPlugins).join(", ") || "none"}.` }];
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

function refuseFaults(faults: readonly Fault[]): void {
  if (faults.length > 0) throw new GatewayError("INVALID_REQUEST", faults.map(({ field, description }) => `${field}: ${description}`).join("\n"), { fieldViolations: faults });
}
