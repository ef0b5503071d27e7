/** Owns what providers takes from the configuration and the environment, with every default. */
import { durationMs, type Duration } from "@bufbuild/protobuf/wkt";
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import type { FetchUrls } from "#gen/weir/config/v1/limits_pb.ts";
import type { Provider } from "#gen/weir/config/v1/provider_pb.ts";
import type { ModelFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { refuseFaults, type Fault } from "#platform/config-file/faults.ts";
import { nearestKey } from "#platform/config-file/nearest-key.ts";
import { refuseForbiddenHost } from "#platform/egress/egress-pool.ts";
import type { GatewayError } from "#platform/errors.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { isSendable } from "./domain/credentials/credential-source.ts";
import { modelNames, readModelFacts } from "./domain/catalogue.ts";
import type { VendorAdapter } from "./domain/adapter.ts";
import { demoVendor, demoVendorName } from "./edge/demo/demo-vendor.ts";
import { identityOf, type Identity } from "./edge/identities/identities.ts";
import { VaultClient } from "./edge/vault/vault-client.ts";
import { noSettings, settingFields, settingsOf, type VendorSettings } from "./edge/vendor-settings.ts";
import type { FetchBounds } from "./edge/media-fetcher.ts";
import { vendors, type VendorRow } from "./edge/vendors.ts";

export interface ProvidersConfig {
  /** By name. */
  readonly providers: ReadonlyMap<string, ProviderConfig>;
  /** The most journal bytes that may wait for the ledger's confirmation. */
  readonly maximumJournalBytes: number;
  /** By `vendor/model`. */
  readonly modelFacts: ReadonlyMap<string, ModelFacts>;
  /** Undefined where no media is fetched. */
  readonly fetchBounds: FetchBounds | undefined;
}

export interface ProviderConfig {
  readonly name: string;
  readonly vendor: string;
  readonly adapter: VendorAdapter;
  /** Those that only some vendors have; the adapter is made by them. */
  readonly settings: VendorSettings;
  /** Without a slash at the end. */
  readonly baseUrl: string;
  /** True when the operator set the base URL: then it may also lie in a private network. */
  readonly baseUrlIsOwn: boolean;
  /** Undefined where none is needed, or where one is obtained. */
  readonly credential: Secret | undefined;
  /** For whom a credential is obtained; undefined where it is fixed. */
  readonly identity: Identity | undefined;
  /** Whether it also takes those that are stored. */
  readonly hasStoredCredentials: boolean;
  /** Whether of those that are stored it takes the organizations' own alone. */
  readonly onlyOrganizationCredentials: boolean;
  readonly models: readonly string[];
  readonly onlyListedModels: boolean;
  /** What the operator says of it. */
  readonly tags: readonly string[];
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maximumConnections: number;
  /** Where it is from, for people: `weir.yaml`, the name of an environment variable, or `built in`. */
  readonly origin: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Throws INVALID_REQUEST that names every field at fault. */
export function readProvidersConfig(config: Config, environment: Environment): ProvidersConfig {
  const faults: Fault[] = [];
  const vault = config.vault && new VaultClient(config.vault);
  const configured = Object.entries(config.providers).map(([name, provider]) => fromFile(name, provider, vault, faults));
  const found = configured.length > 0 ? configured : fromEnvironment(environment, faults);
  refuseFaults(faults);
  return {
    providers: new Map(found.map((provider) => [provider.name, provider])),
    maximumJournalBytes: Number(config.limits?.maxJournalBytes ?? 256n * 1024n * 1024n),
    modelFacts: readModelFacts(config.models),
    fetchBounds: config.fetchUrls?.enabled === true ? readFetchBounds(config.fetchUrls) : undefined,
  };
}

function readFetchBounds(fetchUrls: FetchUrls): FetchBounds {
  return {
    allowedHosts: fetchUrls.allowedHosts,
    allowHttp: fetchUrls.allowHttp,
    maximumFileBytes: Number(fetchUrls.maxFileBytes ?? 10n * 1024n * 1024n),
    maximumRequestBytes: Number(fetchUrls.maxRequestBytes ?? 32n * 1024n * 1024n),
    maximumFiles: fetchUrls.maxFiles ?? 16,
    maximumHeldBytes: Number(fetchUrls.maxHeldBytes ?? 256n * 1024n * 1024n),
    timeoutMs: milliseconds(fetchUrls.timeout, 10_000),
  };
}

function fromFile(name: string, provider: Provider, vault: VaultClient | undefined, faults: Fault[]): ProviderConfig {
  const row = Object.hasOwn(vendors, provider.vendor) ? vendors[provider.vendor] : undefined;
  const baseUrlIsOwn = provider.baseUrl !== "";
  const ownBaseUrl = baseUrlIsOwn ? readBaseUrl(provider.baseUrl, `providers.${name}.base_url`, faults) : "";
  // Never used: without a row there is a fault.
  const adapter = row === undefined ? demoVendor : adapterOf(provider, ownBaseUrl, row);
  if (row === undefined) {
    const known = Object.keys(vendors).join(", ");
    const meant = nearestKey(provider.vendor, Object.keys(vendors));
    faults.push({ field: `providers.${name}.vendor`, description: `no vendor has the name "${provider.vendor}"${meant === undefined ? "." : `: did you mean ${meant}?`} Weir knows ${known}. What speaks OpenAI's API is "openai" with its own base_url.` });
  } else if (row.adapter.needsCredential && provider.apiKey === "" && provider.identity.case === undefined && !provider.storedCredentials && (!baseUrlIsOwn || row.adapter.defaultBaseUrl === "")) {
    const variable = row.environment?.apiKey ?? "API_KEY";
    const identity = row.identity === undefined ? "" : ` Or say under "${row.identity}" who Weir is at the vendor: then a credential is obtained.`;
    faults.push({ field: `providers.${name}.api_key`, description: `missing; write \${${variable}} to take it from the environment.${identity}` });
  }
  if (row !== undefined) checkOwnFields(name, provider, row, faults);
  if (row?.adapter.defaultBaseUrl === "" && !baseUrlIsOwn) {
    faults.push({ field: `providers.${name}.base_url`, description: `missing; with ${provider.vendor} everyone has an address of their own (docs/configuration.md).` });
  }
  if (provider.storedCredentials && provider.identity.case !== undefined) faults.push({ field: `providers.${name}.stored_credentials`, description: `is not for a provider with an identity (${provider.identity.case}), for which a credential is obtained.` });
  if (provider.onlyOrganizationCredentials) checkOnlyOrganizations(name, provider, faults);
  if (provider.identity.case === "vault" && vault === undefined) faults.push({ field: `providers.${name}.vault`, description: "there is no Vault to read it from; say under `vault` where it is and how Weir signs in." });
  refuseUnsendable(provider.apiKey, `providers.${name}.api_key`, faults);
  if (provider.responsesApi && row !== undefined && row.adapterAtHome === undefined) {
    faults.push({ field: `providers.${name}.responses_api`, description: `is only for servers that speak OpenAI's API (vendor: openai); leave it out.` });
  }
  return {
    name,
    vendor: provider.vendor,
    adapter,
    settings: settingsOf(provider),
    baseUrl: baseUrlIsOwn ? ownBaseUrl : adapter.defaultBaseUrl,
    baseUrlIsOwn,
    credential: provider.apiKey === "" ? undefined : new Secret(provider.apiKey),
    identity: identityOf(provider, vault),
    hasStoredCredentials: provider.storedCredentials,
    onlyOrganizationCredentials: provider.onlyOrganizationCredentials,
    models: provider.models.length > 0 ? provider.models : modelNames(provider.vendor),
    onlyListedModels: provider.onlyListedModels,
    tags: provider.tags,
    connectTimeoutMs: milliseconds(provider.connectTimeout, defaults.connectTimeoutMs),
    firstByteTimeoutMs: milliseconds(provider.firstByteTimeout, defaults.firstByteTimeoutMs),
    idleTimeoutMs: milliseconds(provider.idleTimeout, defaults.idleTimeoutMs),
    maximumConnections: provider.maxConnections ?? defaults.maximumConnections,
    origin: "weir.yaml",
  };
}

function checkOnlyOrganizations(name: string, { storedCredentials, apiKey }: Provider, faults: Fault[]): void {
  const field = `providers.${name}.only_organization_credentials`;
  if (!storedCredentials) faults.push({ field, description: "needs stored_credentials: true, for organizations store theirs." });
  if (apiKey !== "") faults.push({ field, description: "leaves nobody to use api_key; take one of the two out." });
}

/** What only some vendors take: where it would be without meaning, it is refused. */
function checkOwnFields(name: string, provider: Provider, { identity, own }: VendorRow, faults: Fault[]): void {
  const given = provider.identity.case;
  if (given !== undefined && given !== "vault" && given !== identity) faults.push({ field: `providers.${name}.${given}`, description: `is not for ${provider.vendor}; only for ${vendorsWhere((row) => row.identity === given)}.` });
  for (const [setting, field] of Object.entries(settingFields) as [keyof VendorSettings, string][]) {
    if (provider[setting] === "" && own?.needs.includes(setting) === true) faults.push({ field: `providers.${name}.${field}`, description: `missing; ${provider.vendor} needs one.` });
    if (provider[setting] !== "" && own?.takes.includes(setting) !== true) {
      faults.push({ field: `providers.${name}.${field}`, description: `is not for ${provider.vendor}; only for ${vendorsWhere((row) => row.own?.takes.includes(setting) === true)}.` });
    }
  }
}

function vendorsWhere(matches: (row: VendorRow) => boolean): string {
  return Object.entries(vendors).flatMap(([vendor, row]) => (matches(row) ? [vendor] : [])).join(", ");
}

function adapterOf(provider: Provider, ownBaseUrl: string, row: VendorRow): VendorAdapter {
  return row.own === undefined ? adapterAt(ownBaseUrl === "" ? row.adapter.defaultBaseUrl : ownBaseUrl, row, provider.responsesApi) : row.own.createAdapter(settingsOf(provider));
}

function fromEnvironment(environment: Environment, faults: Fault[]): ProviderConfig[] {
  const found = Object.entries(vendors).flatMap(([vendor, row]) => fromVariables(vendor, row, environment, faults));
  return found.length > 0 ? found : [withDefaults(demoVendorName, demoVendor, "built in")];
}

function fromVariables(vendor: string, row: VendorRow, environment: Environment, faults: Fault[]): ProviderConfig[] {
  const { adapter, environment: variables } = row;
  const apiKey = variables === undefined ? "" : (environment[variables.apiKey] ?? "").trim();
  if (variables === undefined || apiKey === "") return [];
  refuseUnsendable(apiKey, variables.apiKey, faults);
  const provider = { ...withDefaults(vendor, adapterAt(adapter.defaultBaseUrl, row, false), variables.apiKey), credential: new Secret(apiKey) };
  const baseUrl = (environment[variables.baseUrl] ?? "").trim();
  if (baseUrl === "") return [provider];
  const whole = readBaseUrl(baseUrl, variables.baseUrl, faults);
  const suffix = whole.endsWith(variables.baseUrlSuffix) ? "" : variables.baseUrlSuffix;
  return [{ ...provider, adapter: adapterAt(whole, row, false), baseUrl: whole + suffix, baseUrlIsOwn: true }];
}

/** A vendor's own host, or one of its regions below it (`eu.api.openai.com`), is the vendor itself, however the address was set. */
function adapterAt(baseUrl: string, { adapter, adapterAtHome }: VendorRow, speaksAll: boolean): VendorAdapter {
  if (adapterAtHome === undefined) return adapter;
  const host = URL.canParse(baseUrl) ? new URL(baseUrl).hostname : "";
  const ownHost = new URL(adapter.defaultBaseUrl).hostname;
  return speaksAll || host === ownHost || host.endsWith(`.${ownHost}`) ? adapterAtHome : adapter;
}

function withDefaults(vendor: string, adapter: VendorAdapter, origin: string): ProviderConfig {
  return {
    name: vendor,
    vendor,
    adapter,
    settings: noSettings,
    baseUrl: adapter.defaultBaseUrl,
    baseUrlIsOwn: false,
    credential: undefined,
    identity: undefined,
    hasStoredCredentials: false,
    onlyOrganizationCredentials: false,
    models: modelNames(vendor),
    onlyListedModels: false,
    tags: [],
    ...defaults,
    origin,
  };
}

const defaults = { connectTimeoutMs: 5_000, firstByteTimeoutMs: 600_000, idleTimeoutMs: 120_000, maximumConnections: 256 };

function readBaseUrl(text: string, field: string, faults: Fault[]): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    faults.push({ field, description: "must be an http or https URL, such as https://api.openai.com/v1." });
  } else if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    faults.push({ field, description: "must hold no credential, query or fragment; the key belongs into api_key." });
  } else {
    try {
      refuseForbiddenHost(url.href, true);
    } catch (error) {
      faults.push({ field, description: (error as GatewayError).message });
    }
  }
  return text.replace(/\/+$/, "");
}

function refuseUnsendable(apiKey: string, field: string, faults: Fault[]): void {
  if (!isSendable(apiKey)) faults.push({ field, description: "holds a space, a line break or another character that no HTTP header carries." });
}

function milliseconds(duration: Duration | undefined, defaultMs: number): number {
  return duration === undefined ? defaultMs : durationMs(duration);
}
