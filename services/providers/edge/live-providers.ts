/** Owns the providers as they stand now: each with its vendor's adapter and its connections, renewed when the configuration changes. */
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import { openEgressPool, type EgressHandler, type EgressPool } from "#platform/egress/egress-pool.ts";
import type { Logger } from "#platform/logger.ts";
import { Secret } from "#platform/secrets/secret.ts";
import type { ProviderConfig, ProvidersConfig } from "../config.ts";
import type { VendorRequest } from "../domain/adapter.ts";
import type { StoredSecrets } from "../domain/credentials/credential-pool.ts";
import { CredentialPools, SharedCredentials, type ProviderCredentials } from "../domain/credentials/credential-pools.ts";
import { FixedCredential } from "../domain/credentials/credential-source.ts";
import { startDemoServer, type DemoServer } from "./demo/demo-server.ts";
import { demoVendorName } from "./demo/demo-vendor.ts";
import { RenewedCredential } from "./identities/renewed-credential.ts";

/** A provider with its connections. Whoever uses it acquires it first, so that a reload cuts nothing. */
export class LiveProvider {
  readonly config: ProviderConfig;
  readonly credentials: ProviderCredentials;
  readonly #pool: EgressPool;
  readonly #clock: Clock;
  readonly #host: string;
  readonly #basePath: string;
  /** The headers that every request has, by the credential that stands in them. */
  readonly #headers = new WeakMap<Secret, readonly string[]>();
  #users = 0;
  #retired = false;

  constructor(config: ProviderConfig, baseUrl: string, { clock, logger, stored }: LiveProvidersOptions) {
    const { origin, host, pathname } = new URL(baseUrl);
    this.config = config;
    this.#clock = clock;
    this.#host = host;
    this.#basePath = pathname === "/" ? "" : pathname;
    this.credentials = credentialsOf(config, { clock, logger, stored });
    this.#pool = openEgressPool({
      origin,
      // What needs no credential is a server of the operator's own.
      allowPrivateAddresses: config.baseUrlIsOwn || !config.adapter.needsCredential,
      connectTimeoutMs: config.connectTimeoutMs,
      maximumConnections: config.maximumConnections,
    });
  }

  /** Sends the request with this credential of the provider's. */
  dispatch(request: VendorRequest, credential: Secret, handler: EgressHandler): void {
    const path = this.#basePath + request.path;
    const { method = "POST", contentType = jsonType } = request;
    const headers = [...this.#headersWith(credential)];
    if (method === "POST" && contentType !== "") headers.push("content-type", contentType);
    for (const name in request.headers) headers.push(name, request.headers[name]!);
    const signature = this.#signature(request, path, credential);
    for (const name in signature) headers.push(name, signature[name]!);
    this.#pool.dispatch(
      {
        method,
        path,
        headers,
        body: method === "POST" ? Buffer.from(request.body.buffer, request.body.byteOffset, request.body.byteLength) : null,
        headersTimeout: this.config.firstByteTimeoutMs,
        bodyTimeout: this.config.idleTimeoutMs,
      },
      handler,
    );
  }

  #headersWith(credential: Secret): readonly string[] {
    let headers = this.#headers.get(credential);
    if (headers === undefined) {
      headers = headersOf(this.config, credential);
      this.#headers.set(credential, headers);
    }
    return headers;
  }

  #signature({ headers, contentType = jsonType, body }: VendorRequest, path: string, credential: Secret): Record<string, string> {
    const { adapter } = this.config;
    if (adapter.sign === undefined) return {};
    return adapter.sign({ method: "POST", host: this.#host, path, headers: { ...headers, "content-type": contentType }, body }, credential, this.#clock.now());
  }

  acquire(): void {
    this.#users++;
  }

  release(): void {
    this.#users--;
    if (this.#retired && this.#users === 0) void this.#pool.close();
  }

  /** Closes the connections when the last user has released them. */
  retire(): void {
    this.#retired = true;
    if (this.#users === 0) void this.#pool.close();
  }

  /** Closes the connections, whoever uses them. */
  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

export interface LiveProvidersOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the providers that take their credentials from there. */
  readonly stored: StoredSecrets;
}

export class LiveProviders {
  readonly #options: LiveProvidersOptions;
  #byName: ReadonlyMap<string, LiveProvider> = new Map();
  #demoServer: DemoServer | undefined;

  constructor(options: LiveProvidersOptions) {
    this.#options = options;
  }

  /** The provider for a model, or for what is about none. Throws NOT_FOUND, or MODEL_NOT_FOUND when the provider is held to its list. */
  get(name: string, model: string | undefined): LiveProvider {
    const provider = this.#byName.get(name);
    if (provider === undefined) {
      throw new GatewayError("NOT_FOUND", `No provider has the name ${name}; see "providers" in weir.yaml.`, { metadata: { kind: "provider", id: name } });
    }
    if (model !== undefined && provider.config.onlyListedModels && !provider.config.models.includes(model)) {
      throw new GatewayError("MODEL_NOT_FOUND", `The provider ${name} is held to its list of models, and ${model} is not on it.`, { metadata: { model } });
    }
    return provider;
  }

  /** By the name of each provider for whose calls the installation should have a credential, and has none: why. */
  credentialProblems(): ReadonlyMap<string, string> {
    const problems = new Map<string, string>();
    for (const [name, { config, credentials }] of this.#byName) {
      const problem = config.onlyOrganizationCredentials ? undefined : credentials.of("").problem();
      if (problem !== undefined) problems.set(name, problem);
    }
    return problems;
  }

  /** Takes over a configuration: what has not changed stays as it is, what is gone is let go without cutting a call. */
  async apply(config: ProvidersConfig): Promise<void> {
    const needsDemo = [...config.providers.values()].some(({ vendor }) => vendor === demoVendorName);
    if (needsDemo) this.#demoServer ??= await startDemoServer();
    const before = this.#byName;
    const after = new Map<string, LiveProvider>();
    for (const [name, provider] of config.providers) {
      const present = before.get(name);
      after.set(name, present !== undefined && isSame(present.config, provider) ? present : this.#open(provider));
    }
    this.#byName = after;
    for (const [name, provider] of before) {
      if (after.get(name) !== provider) provider.retire();
    }
  }

  /** For when no call is under way any more. */
  async stop(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((provider) => provider.close()));
    await this.#demoServer?.stop();
  }

  #open(config: ProviderConfig): LiveProvider {
    const baseUrl = config.vendor === demoVendorName ? this.#demoServer!.baseUrl : config.baseUrl;
    this.#options.logger.debug({ provider: config.name, vendor: config.vendor }, "a provider is ready");
    const provider = new LiveProvider(config, baseUrl, this.#options);
    // So that the first call need not wait for a credential, and the log says at once that there is none; calls try again.
    if (config.identity !== undefined) provider.credentials.of("").prepare()?.catch(() => undefined);
    return provider;
  }
}

const jsonType = "application/json";

function credentialsOf({ name, credential, identity, hasStoredCredentials, onlyOrganizationCredentials }: ProviderConfig, { clock, logger, stored }: LiveProvidersOptions): ProviderCredentials {
  if (hasStoredCredentials) return new CredentialPools({ provider: name, configured: credential, stored, clock, onlyOrganizations: onlyOrganizationCredentials });
  if (identity !== undefined) return new SharedCredentials(new RenewedCredential({ provider: name, obtain: identity.obtain, clock, logger }));
  // A vendor's own server without authentication gets a word in the credential's place: the header also carries the API's version.
  return new SharedCredentials(new FixedCredential(credential ?? new Secret("none")));
}

function headersOf({ adapter }: ProviderConfig, credential: Secret): string[] {
  return Object.entries({ accept: "*/*", "accept-encoding": "identity", "user-agent": "weir", ...adapter.authorize(credential) }).flat();
}

function isSame(left: ProviderConfig, right: ProviderConfig): boolean {
  return fingerprint(left) === fingerprint(right);
}

/** A vendor's adapters differ in the dialects that they take, and by the settings, which stand beside. */
function fingerprint(config: ProviderConfig): string {
  const { adapter, credential, identity } = config;
  return JSON.stringify({ ...config, adapter: adapter.nativeDialects, credential: credential?.reveal(), identity: [identity?.name, identity?.settings.reveal()] });
}
