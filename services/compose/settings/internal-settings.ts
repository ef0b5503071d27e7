/** Owns how this process meets the services of other processes, and that it refuses to do so unprotected. */
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import { refuseField } from "#platform/config-file/faults.ts";
import { isLoopback, type PeerProtection } from "#platform/peers/peer-credentials.ts";
import { Secret } from "#platform/secrets/secret.ts";
import { neededBy, offeredBy, type PeerName, type ServiceSet } from "../catalog.ts";

export interface InternalSettings {
  readonly address: string;
  /** Undefined where the process needs no peer and offers nothing. */
  readonly protection: PeerProtection | undefined;
  /** The addresses of the peers that the process needs. */
  readonly addresses: ReadonlyMap<PeerName, string>;
  readonly maximumMessageBytes: number;
}

/** A vendor's whole reply may be this large, and so may the message in which it travels. */
const largestReplyBytes = 64 * 1024 * 1024;
const roomForEnvelopeBytes = 1024 * 1024;
/** Secrets that stand in examples. */
const wellKnownSecrets = ["change-me", "changeme", "example", "secret-secret", "0123456789", "your-", "<", "xxxx"];

/** Throws INVALID_REQUEST that names what is missing for these services. */
export function readInternalSettings({ internal, peers, limits }: Config, set: ServiceSet, hasEventLog: boolean): InternalSettings {
  const address = internal?.address ?? "127.0.0.1";
  const needed = neededBy(set, hasEventLog);
  const isApart = offeredBy(set).length > 0 || needed.length > 0;
  const protection = isApart ? readProtection({ internal }) : undefined;
  const addresses = new Map(needed.map((name) => [name, addressOf(name, peers)]));
  if (protection?.kind === "shared-secret") {
    if (offeredBy(set).length > 0 && !isLoopback(address)) refuseField("internal.address", `${address} can be reached from other machines, which a shared secret does not protect: set internal.tls, or bind to 127.0.0.1.`);
    for (const [name, peerAddress] of addresses) {
      if (!hostsOf(peerAddress).every(isLoopback)) refuseField(`peers.${name}`, `${peerAddress} is on another machine, which a shared secret does not protect: set internal.tls.`);
    }
  }
  const maximumMessageBytes = Math.max(Number(limits?.maxBodyBytes ?? 0n), largestReplyBytes) + roomForEnvelopeBytes;
  return { address, protection, addresses, maximumMessageBytes };
}

function readProtection({ internal }: Pick<Config, "internal">): PeerProtection {
  const tls = internal?.tls;
  if (tls !== undefined) return { kind: "tls", certificateFile: tls.certificateFile, keyFile: tls.keyFile, authorityFile: tls.authorityFile };
  const secret = internal?.sharedSecret ?? "";
  if (secret === "") refuseField("internal", "services in separate processes have to know each other: set internal.tls, or where all are on this machine internal.shared_secret (32 characters or more, such as from `openssl rand -hex 32`).");
  const isGuessable = new Set(secret).size < 8 || wellKnownSecrets.some((known) => secret.toLowerCase().includes(known));
  if (isGuessable) refuseField("internal.shared_secret", "this one can be guessed: take one from `openssl rand -hex 32`.");
  return { kind: "shared-secret", secret: new Secret(secret) };
}

function addressOf(name: PeerName, peers: Readonly<Record<string, string>>): string {
  const address = peers[name];
  if (address === undefined) return refuseField(`peers.${name}`, `missing: this process does not run ${name}, so it has to know where it is, such as "dns:///${name}:8090".`);
  if (!/^((dns:(\/\/[^/]*\/)?)?[^/,:\s]+:\d+|dns:(\/\/[^/]*\/)?\[[0-9a-f:]+\]:\d+|ipv[46]:\S+:\d+)$/.test(address)) return refuseField(`peers.${name}`, `"${address}" is no address: write "dns:///${name}:8090", or "ipv4:10.0.0.1:8090,10.0.0.2:8090".`);
  return address;
}

/** The hosts of a gRPC target. */
function hostsOf(address: string): readonly string[] {
  return address
    .replace(/^(dns:(\/\/[^/]*\/)?|ipv[46]:)/, "")
    .split(",")
    .map((endpoint) => endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, ""));
}
