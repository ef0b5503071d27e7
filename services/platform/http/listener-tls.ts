/** Owns TLS of a port: its certificate and key, read again when their files change, and the certificates that callers show. */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../logger.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

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
  let files = readListenerFiles(settings);
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
const faultKey: unique symbol = Symbol("why the client's certificate counts as none");

interface MarkedSocket {
  [certificateKey]?: ClientCertificate;
  [faultKey]?: string;
}

/** The certificate with which the request's connection was opened, if its authority is the one that counts. */
export function clientCertificateOf({ socket }: Pick<IncomingMessage, "socket">): ClientCertificate | undefined {
  return (socket as MarkedSocket)[certificateKey];
}

/** Why the certificate of the request's connection counts as none, as OpenSSL names it (`CERT_HAS_EXPIRED`); undefined where there was none, or it counts. */
export function certificateFaultOf({ socket }: Pick<IncomingMessage, "socket">): string | undefined {
  return (socket as MarkedSocket)[faultKey];
}

function noteCertificate(socket: TLSSocket & MarkedSocket): void {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return;
  if (socket.authorized) socket[certificateKey] = { fingerprint: certificate.fingerprint256, bytes: certificate.raw };
  // The types say an error; it is its code.
  else socket[faultKey] = String(socket.authorizationError);
}

/** Throws INVALID_REQUEST when the files cannot be used. */
export function readListenerFiles({ certificateFile, keyFile, clientAuthorityFile }: ListenerTlsSettings): TlsFiles {
  const authority = clientAuthorityFile === undefined ? undefined : { field: "client_authority_file", file: clientAuthorityFile, signsFor: "callers" };
  return readTlsFiles({ section: "listen.tls", certificateFile, keyFile, authority });
}

/** The files in force from now on: half-written ones, or a certificate whose key has not come yet, change nothing. */
function useChanged(server: Server, present: TlsFiles, settings: ListenerTlsSettings, logger: Logger): TlsFiles {
  try {
    const files = readListenerFiles(settings);
    if (isDeepStrictEqual(files, present)) return present;
    server.setSecureContext(files);
    logger.info("the changed certificate of the public port is used for new connections");
    return files;
  } catch (error) {
    logger.error({ error }, "the changed certificate of the public port cannot be used; the former stays");
    return present;
  }
}
