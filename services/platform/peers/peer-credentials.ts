/** Owns how services prove to each other who they are: by certificates of one authority, or on loopback by a shared secret. */
import { isIP } from "node:net";
import { credentials, experimental, ServerCredentials, type ChannelCredentials } from "@grpc/grpc-js";
import type { Logger } from "../logger.ts";
import type { Secret } from "../secrets/secret.ts";
import { PeerCertificates } from "./peer-certificates.ts";

/** How a process proves itself to its peers, and they to it. */
export type PeerProtection =
  | TlsProtection
  | { readonly kind: "shared-secret"; readonly secret: Secret };

/** Certificates of one authority, as PEM files. */
export interface TlsProtection {
  readonly kind: "tls";
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly authorityFile: string;
  /** How soon changed files are used for new connections; default 10 s. */
  readonly checkIntervalMs?: number;
}

/** What a server asks of its peers. Throws INVALID_REQUEST when the files cannot be used. */
export function serverCredentials(protection: PeerProtection, logger: Logger): ServerCredentials {
  if (protection.kind === "shared-secret") return ServerCredentials.createInsecure();
  const certificates = certificatesOf(protection, logger);
  return experimental.createCertificateProviderServerCredentials(certificates, certificates, true);
}

/** What a client shows to its peers. Throws INVALID_REQUEST when the files cannot be used. */
export function channelCredentials(protection: PeerProtection, logger: Logger): ChannelCredentials {
  if (protection.kind === "shared-secret") return credentials.createInsecure();
  const certificates = certificatesOf(protection, logger);
  return experimental.createCertificateProviderChannelCredentials(certificates, certificates);
}

/** One for all connections of a process, so that a change is told once. */
const opened = new WeakMap<TlsProtection, PeerCertificates>();

function certificatesOf(protection: TlsProtection, logger: Logger): PeerCertificates {
  const certificates = opened.get(protection) ?? new PeerCertificates(protection, logger);
  opened.set(protection, certificates);
  return certificates;
}

/** Whether the address, `localhost` or an IP, can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}
