/** Owns how services prove to each other who they are: by certificates of one authority, or on loopback by a shared secret. */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { credentials, experimental, ServerCredentials, type ChannelCredentials } from "@grpc/grpc-js";
import { GatewayError } from "../errors.ts";
import type { Secret } from "../secret.ts";

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

/** What a server asks of its peers. Throws INVALID_REQUEST when a file cannot be read. */
export function serverCredentials(protection: PeerProtection): ServerCredentials {
  if (protection.kind === "shared-secret") return ServerCredentials.createInsecure();
  const files = watchedFiles(protection);
  return experimental.createCertificateProviderServerCredentials(files, files, true);
}

/** What a client shows to its peers. Throws INVALID_REQUEST when a file cannot be read. */
export function channelCredentials(protection: PeerProtection): ChannelCredentials {
  if (protection.kind === "shared-secret") return credentials.createInsecure();
  const files = watchedFiles(protection);
  return experimental.createCertificateProviderChannelCredentials(files, files);
}

function watchedFiles({ certificateFile, keyFile, authorityFile, checkIntervalMs = 10_000 }: TlsProtection): experimental.FileWatcherCertificateProvider {
  // The watcher reads them later and reports nothing: a wrong name is to be found now.
  const files = { certificate_file: certificateFile, key_file: keyFile, authority_file: authorityFile };
  for (const [field, file] of Object.entries(files)) {
    try {
      readFileSync(file);
    } catch (error) {
      throw new GatewayError("INVALID_REQUEST", `internal.tls.${field}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
    }
  }
  return new experimental.FileWatcherCertificateProvider({ certificateFile, privateKeyFile: keyFile, caCertificateFile: authorityFile, refreshIntervalMs: checkIntervalMs });
}

/** Whether the address, `localhost` or an IP, can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  if (host === "localhost" || host === "::1") return true;
  return isIP(host) === 4 && host.startsWith("127.");
}
