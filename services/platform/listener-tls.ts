/** Owns TLS of a port: its certificate and key, read again when their files change, and the certificates that callers show. */
import { X509Certificate } from "node:crypto";
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

type Files = Readonly<Record<"cert" | "key", Buffer>> & { readonly ca?: Buffer };

function readFiles({ certificateFile, keyFile, clientAuthorityFile }: ListenerTlsSettings): Files {
  const ca = clientAuthorityFile === undefined ? {} : { ca: readAuthorities(clientAuthorityFile) };
  const files = { cert: readFile("certificate_file", certificateFile), key: readFile("key_file", keyFile), ...ca };
  try {
    createSecureContext(files);
  } catch (error) {
    throw new GatewayError("INVALID_REQUEST", `listen.tls: ${certificateFile} and ${keyFile} are no certificate (PEM) with its key: ${(error as Error).message}.`, { cause: error });
  }
  return files;
}

/** OpenSSL passes over what is no certificate, half of a file too, and would then take nobody for whom they are. */
function readAuthorities(path: string): Buffer {
  const bytes = readFile("client_authority_file", path);
  const text = bytes.toString("latin1");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const isWhole = blocks.length > 0 && blocks.length === text.split("-----BEGIN CERTIFICATE-----").length - 1;
  if (!isWhole || !blocks.every(isCertificate)) throw new GatewayError("INVALID_REQUEST", `listen.tls.client_authority_file: ${path} does not hold whole certificates (PEM), and nothing that is none. Put those there of the authorities that sign the certificates of callers.`);
  return bytes;
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.length > 0;
  } catch {
    return false;
  }
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
