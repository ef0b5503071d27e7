/** Owns whose credentials a provider's calls carry: those that the caller's organization has brought, else the installation's. */
import { GatewayError } from "#platform/errors.ts";
import { CredentialPool, type CredentialPoolOptions } from "./credential-pool.ts";
import type { CredentialSource } from "./credential-source.ts";

export interface ProviderCredentials {
  /** What calls of this organization carry. Throws ORGANIZATION_CREDENTIAL_MISSING when it must bring its own, and has not. */
  of(organizationId: string): CredentialSource;
  /** Those of this very organization, or (empty) of the installation; undefined when it has none. */
  ownedBy(organizationId: string): CredentialSource | undefined;
}

/** One for all organizations. */
export class SharedCredentials implements ProviderCredentials {
  readonly #source: CredentialSource;

  constructor(source: CredentialSource) {
    this.#source = source;
  }

  of(): CredentialSource {
    return this.#source;
  }

  ownedBy(organizationId: string): CredentialSource | undefined {
    return organizationId === "" ? this.#source : undefined;
  }
}

export interface CredentialPoolsOptions extends Omit<CredentialPoolOptions, "organizationId"> {
  /** Whether each organization must bring its own. */
  readonly onlyOrganizations: boolean;
}

/**
 * An organization that has brought credentials uses no others, also while all of them are turned off: whoever brings a key expects the bill
 * of its calls, and of no others.
 */
export class CredentialPools implements ProviderCredentials {
  readonly #options: CredentialPoolsOptions;
  readonly #installation: CredentialPool;
  readonly #byOrganization = new Map<string, CredentialPool>();

  constructor(options: CredentialPoolsOptions) {
    this.#options = options;
    this.#installation = new CredentialPool({ ...options, organizationId: "" });
  }

  of(organizationId: string): CredentialSource {
    const { provider, onlyOrganizations } = this.#options;
    const own = organizationId === "" ? undefined : this.ownedBy(organizationId);
    if (own !== undefined) return own;
    if (!onlyOrganizations) return this.#installation;
    const message = `Calls of the provider ${provider} carry a credential of the caller's organization, and yours has brought none. Its owner or an admin stores one with \`weir credentials add ${provider}\`.`;
    throw new GatewayError("ORGANIZATION_CREDENTIAL_MISSING", message, { metadata: { provider } });
  }

  ownedBy(organizationId: string): CredentialSource | undefined {
    if (organizationId === "") return this.#installation;
    const { provider, stored } = this.#options;
    if (stored.of(provider, organizationId) === undefined) {
      this.#byOrganization.delete(organizationId);
      return undefined;
    }
    let pool = this.#byOrganization.get(organizationId);
    if (pool === undefined) {
      pool = new CredentialPool({ ...this.#options, organizationId, configured: undefined });
      this.#byOrganization.set(organizationId, pool);
    }
    return pool;
  }
}
