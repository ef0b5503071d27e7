/** Owns whom the services of this process call: each other as objects, those in other processes over gRPC. */
import { guardService } from "#platform/rpc/method-guard.ts";
import { createPeerClient } from "#platform/peers/peer-client.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { ServiceInterface, UntypedService } from "#platform/rpc/service-types.ts";
import type { Tracer } from "#platform/tracing/span.ts";
import { tracedService } from "#platform/tracing/traced-service.ts";
import { peerDescriptors, type PeerName, type ServiceName } from "./catalog.ts";
import type { InternalSettings } from "./settings/internal-settings.ts";

type Peer<Name extends PeerName> = ServiceInterface<(typeof peerDescriptors)[Name]>;

export class Peers {
  readonly #own = new Map<PeerName, unknown>();
  readonly #internal: InternalSettings;
  readonly #logger: Logger;
  readonly #clients: { close(): void }[] = [];

  constructor(internal: InternalSettings, logger: Logger) {
    this.#internal = internal;
    this.#logger = logger;
  }

  /** Takes the implementation of a service of this process; from now on it is called by nobody without its rules. */
  own<Name extends PeerName>(name: Name, implementation: Peer<Name>, tracer: LiveValue<Tracer | undefined>): void {
    this.#own.set(name, guardService(peerDescriptors[name], tracedService(peerDescriptors[name], implementation as never, tracer)));
  }

  /** The service as this one calls it. */
  of<Name extends PeerName>(name: Name, self: ServiceName): Peer<Name> {
    const own = this.#own.get(name) as Peer<Name> | undefined;
    if (own !== undefined) return own;
    const { addresses, protection, maximumMessageBytes } = this.#internal;
    const client = createPeerClient(peerDescriptors[name], { name, address: addresses.get(name)!, self, protection: protection!, maximumMessageBytes, logger: this.#logger });
    this.#clients.push(client);
    return client.peer as Peer<Name>;
  }

  /** A service of this process, to be offered to others. */
  offered(name: PeerName): UntypedService {
    return this.#own.get(name) as UntypedService;
  }

  /** The peers in other processes, for people. */
  get remote(): readonly string[] {
    return [...this.#internal.addresses].map(([name, address]) => `${name} at ${address}`);
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}
