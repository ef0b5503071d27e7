/** Owns the certificates that grpc-js shows and trusts: read again when their files change; while those cannot be used, the former stay. */
import { isDeepStrictEqual } from "node:util";
import type { experimental } from "@grpc/grpc-js";
import type { Logger } from "../logger.ts";
import { readTlsFiles, type TlsFiles } from "../http/tls-files.ts";
import type { TlsProtection } from "./peer-credentials.ts";

/** grpc-js's own provider refuses every new connection, and says nothing, while a key does not belong to its certificate or a file is half written. */
export class PeerCertificates implements experimental.CertificateProvider {
  readonly #protection: TlsProtection;
  readonly #logger: Logger;
  readonly #authorityListeners = new Set<experimental.CaCertificateUpdateListener>();
  readonly #identityListeners = new Set<experimental.IdentityCertificateUpdateListener>();
  #files: TlsFiles;
  #timer: NodeJS.Timeout | undefined;
  /** The problem that was logged last. */
  #told = "";

  /** Throws INVALID_REQUEST when the files cannot be used. */
  constructor(protection: TlsProtection, logger: Logger) {
    this.#protection = protection;
    this.#logger = logger;
    this.#files = this.#read();
  }

  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorityListeners.add(listener);
    this.#watch();
    // Later: grpc-js is not ready to hear of it before this returns.
    process.nextTick(() => listener(this.#authority));
  }

  removeCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    this.#authorityListeners.delete(listener);
    this.#rest();
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.add(listener);
    this.#watch();
    process.nextTick(() => listener(this.#identity));
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#identityListeners.delete(listener);
    this.#rest();
  }

  get #authority(): experimental.CaCertificateUpdate {
    return { caCertificate: this.#files.ca! };
  }

  get #identity(): experimental.IdentityCertificateUpdate {
    return { certificate: this.#files.cert, privateKey: this.#files.key };
  }

  #watch(): void {
    if (this.#timer !== undefined) return;
    this.#look();
    this.#timer = setInterval(() => this.#look(), this.#protection.checkIntervalMs ?? 10_000).unref();
  }

  #rest(): void {
    if (this.#authorityListeners.size + this.#identityListeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    try {
      const files = this.#read();
      this.#told = "";
      if (isDeepStrictEqual(files, this.#files)) return;
      this.#files = files;
      for (const listener of this.#authorityListeners) listener(this.#authority);
      for (const listener of this.#identityListeners) listener(this.#identity);
      this.#logger.info("the changed certificates between services are used for new connections");
    } catch (error) {
      const problem = (error as Error).message;
      if (problem !== this.#told) this.#logger.error({ error }, "the changed certificates between services cannot be used; the former stay");
      this.#told = problem;
    }
  }

  #read(): TlsFiles {
    const { certificateFile, keyFile, authorityFile } = this.#protection;
    return readTlsFiles({ section: "internal.tls", certificateFile, keyFile, authority: { field: "authority_file", file: authorityFile, signsFor: "services" } });
  }
}
