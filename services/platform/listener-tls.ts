/** Owns TLS of a port: its certificate and key, read again when their files change, and the certificates that callers show. */
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { createSecureContext, createServer, type Server, type TLSSocket } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import { GatewayError } from "./errors.ts";
import type { Logger } from "./logger.ts";

/** As PEM files. */
export interface ListenerTlsSettings {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Who signs the certificates of callers; undefined where they are not asked for one. */
  readonly clientAuthorityFile: string | undefined;
  /** How soon changed files are used for new connections; default 10 s. */
  readonly checkIntervalMs?: number;
}

/** A caller's certificate, of the authority that the operator names. */
export interface ClientCertificate {
  /** SHA-256 of it, in hexadecimal. */
  readonly fingerprint: string;
  /** In DER. */
  readonly bytes: Uint8Array;
}

export interface ListenerTls {
  /** Takes a new connection; `onSecure` gets it once it is encrypted. */
  accept(socket: Socket): void;
  close(): void;
}

const handshakeWithinMs = 10_000;

/** Throws INVALID_REQUEST when the files cannot be used. */
export function openListenerTls(settings: ListenerTlsSettings, logger: Logger, onSecure: (socket: TLSSocket) => void): ListenerTls {
  let files = readFiles(settings);
  const asksForCertificate = settings.clientAuthorityFile !== undefined;
  // Not refused in the handshake: callers may as well come with a key.
  const server = createServer({ ...files, ALPNProtocols: ["h2", "http/1.1"], handshakeTimeout: handshakeWithinMs, requestCert: asksForCertificate, rejectUnauthorized: false });
  server.on("secureConnection", (socket) => {
    if (asksForCertificate) noteCertificate(socket);
    onSecure(socket);
  });
  const timer = setInterval(() => (files = useChanged(server, files, settings, logger)), settings.checkIntervalMs ?? 10_000);
  timer.unref();
  return { accept: (socket) => server.emit("connection", socket), close: () => clearInterval(timer) };
}

// On the connection: an HTTP/2 request shows another object for it, which has the same members.
const certificateKey: unique symbol = Symbol("the client's certificate");

interface MarkedSocket {
  [certificateKey]?: ClientCertificate;
}

/** The certificate with which the request's connection was opened, if its authority is the one that counts. */
export function clientCertificateOf({ socket }: Pick<IncomingMessage, "socket">): ClientCertificate | undefined {
  return (socket as MarkedSocket)[certificateKey];
}

function noteCertificate(socket: TLSSocket & MarkedSocket): void {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate !== undefined) socket[certificateKey] = { fingerprint: certificate.fingerprint256, bytes: certificate.raw };
}

type Files = Readonly<Record<"cert" | "key", Buffer>> & { readonly ca?: Buffer };

function readFiles({ certificateFile, keyFile, clientAuthorityFile }: ListenerTlsSettings): Files {
  const ca = clientAuthorityFile === undefined ? {} : { ca: readFile("client_authority_file", clientAuthorityFile) };
  const files = { cert: readFile("certificate_file", certificateFile), key: readFile("key_file", keyFile), ...ca };
  try {
    createSecureContext(files);
  } catch (error) {
    throw new GatewayError("INVALID_REQUEST", `listen.tls: ${certificateFile} and ${keyFile} are no certificate (PEM) with its key: ${(error as Error).message}.`, { cause: error });
  }
  return files;
}

function readFile(field: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new GatewayError("INVALID_REQUEST", `listen.tls.${field}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  }
}

/** The files in force from now on: half-written ones, or a certificate whose key has not come yet, change nothing. */
function useChanged(server: Server, present: Files, settings: ListenerTlsSettings, logger: Logger): Files {
  try {
    const files = readFiles(settings);
    if (isDeepStrictEqual(files, present)) return present;
    server.setSecureContext(files);
    logger.info("the changed certificate of the public port is used for new connections");
    return files;
  } catch (error) {
    logger.error({ error }, "the changed certificate of the public port cannot be used; the former stays");
    return present;
  }
}
