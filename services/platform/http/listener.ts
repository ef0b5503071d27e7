/** Owns a port that speaks HTTP/1.1 and HTTP/2 at once, with TLS or without: the first bytes of a connection tell which. */
import * as http from "node:http";
import * as http2 from "node:http2";
import type * as net from "node:net";
import type { AddressInfo } from "node:net";
import { GatewayError } from "../errors.ts";
import { openListenerTls, type ListenerTlsSettings } from "./listener-tls.ts";
import type { Logger } from "../logger.ts";

export type HttpRequest = http.IncomingMessage;
export type HttpResponse = http.ServerResponse;
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void | Promise<void>;

export interface ListenerOptions {
  readonly address: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** What it throws is a defect: it ends that request, and not the process with all others. */
  readonly handler: HttpHandler;
  /** What a person does when the port is taken, for the error. */
  readonly portHint: string;
  readonly logger: Logger;
  /** Undefined for a port without TLS. */
  readonly tls?: ListenerTlsSettings | undefined;
}

export interface Listener {
  readonly scheme: "http" | "https";
  readonly address: string;
  readonly port: number;
  /** Takes no new connections, lets requests finish up to the bound, has those that are left cut off with a word to their callers, and closes what is left then. */
  close(drainMs: number, cutOff?: () => void): Promise<void>;
}

/** Ends a reply that has begun so that its caller cannot take what came for the whole. */
export function breakOff(response: HttpResponse): void {
  // Of HTTP/2, where `destroy` would end the reply as if it were whole.
  const { stream } = response as HttpResponse & { readonly stream?: http2.ServerHttp2Stream };
  if (stream === undefined) response.destroy();
  else stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
}

/** What the request came over; of HTTP/2, where each request has a `socket` of its own, the session. */
export function connectionOf(request: HttpRequest): object {
  const { stream } = request as HttpRequest & { readonly stream?: http2.ServerHttp2Stream };
  return stream?.session ?? request.socket;
}

/** How long a new connection may stay silent before it is closed. */
const silentConnectionMs = 10_000;
const http2Preface = Buffer.from("PRI");

/** Binds the port. Throws INVALID_REQUEST with what to do when it is taken. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const handle = (request: HttpRequest, response: HttpResponse): void => void answer(options, request, response);
  const http1Server = http.createServer({ keepAliveTimeout: 75_000, headersTimeout: 10_000, requestTimeout: 600_000, connectionsCheckingInterval: 2_000, maxHeaderSize: 32 * 1024 }, handle);
  // node:http2 offers the same requests and responses as node:http; only TypeScript does not know.
  const http2Handler = handle as unknown as (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;
  const http2Server = http2.createServer({ settings: { maxConcurrentStreams: 256 }, maxSessionMemory: 64 }, http2Handler);
  const sessions = new Map<http2.ServerHttp2Session, net.Socket>();
  const sockets = new Set<net.Socket>();
  const silent = new Set<net.Socket>();
  // The HTTP/1.1 server itself listens: only then does it watch over timeouts and idle connections.
  const acceptHttp1 = http1Server.listeners("connection")[0] as (this: http.Server, socket: net.Socket) => void;
  http1Server.removeListener("connection", acceptHttp1);
  const hear = (socket: net.Socket): void => {
    silent.add(socket);
    socket.once("close", () => silent.delete(socket));
    sniff(socket, (isHttp2) => {
      silent.delete(socket);
      if (!isHttp2) return acceptHttp1.call(http1Server, socket);
      // As the HTTP/1.1 server opened it, it would outlive its caller's end: unnoticed, with all that its streams began.
      socket.allowHalfOpen = false;
      http2Server.once("session", (session) => {
        sessions.set(session, socket);
        session.once("close", () => sessions.delete(session));
      });
      http2Server.emit("connection", socket);
    });
  };
  const tls = options.tls && openListenerTls(options.tls, options.logger, hear);
  http1Server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (tls === undefined) hear(socket);
    else tls.accept(socket);
  });
  await bind(http1Server, options);
  const { address, port } = http1Server.address() as AddressInfo;
  return { scheme: tls === undefined ? "http" : "https", address, port, close: (drainMs, cutOff) => close(http1Server, { sessions, sockets, silent }, drainMs, cutOff).finally(() => tls?.close()) };
}

async function answer({ handler, logger }: ListenerOptions, request: HttpRequest, response: HttpResponse): Promise<void> {
  try {
    await handler(request, response);
  } catch (error) {
    logger.error({ error }, "a request failed by a defect, unanswered");
    breakOff(response);
  }
}

function sniff(socket: net.Socket, accept: (isHttp2: boolean) => void): void {
  const onError = (): void => void socket.destroy();
  const silence = setTimeout(() => socket.destroy(), silentConnectionMs);
  socket.on("error", onError);
  socket.once("close", () => clearTimeout(silence));
  socket.once("data", (bytes: Buffer) => {
    clearTimeout(silence);
    socket.pause();
    socket.removeListener("error", onError);
    socket.unshift(bytes);
    const isHttp2 = bytes.subarray(0, http2Preface.length).equals(http2Preface.subarray(0, bytes.length));
    accept(isHttp2);
    process.nextTick(() => socket.resume());
  });
}

function bind(server: net.Server, { address, port, portHint }: ListenerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") reject(new GatewayError("INVALID_REQUEST", `Port ${port} on ${address} is taken by another program. ${portHint}`));
      else if (error.code === "EACCES") reject(new GatewayError("INVALID_REQUEST", `Port ${port} on ${address} needs more rights than this user has. ${portHint}`));
      else reject(error);
    });
    server.listen({ host: address, port, backlog: 4096 }, () => resolve());
  });
}

interface Connections {
  readonly sessions: ReadonlyMap<http2.ServerHttp2Session, net.Socket>;
  readonly sockets: ReadonlySet<net.Socket>;
  /** Those that have not sent a byte; browsers and pools open them ahead of need. */
  readonly silent: ReadonlySet<net.Socket>;
}

/** How long a last word may take on its way. */
const lastWordMs = 500;

async function close(server: http.Server, { sessions, sockets, silent }: Connections, drainMs: number, cutOff?: () => void): Promise<void> {
  // It closes idle connections, too.
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const session of sessions.keys()) session.close();
  for (const socket of silent) socket.destroy();
  const over = new Set<net.Socket>();
  // A connection that becomes idle later would otherwise stay.
  const idleSweep = setInterval(() => {
    server.closeIdleConnections();
    for (const [session, socket] of sessions) {
      // It ends with its last stream; its caller may leave the connection open all the same.
      if (!session.destroyed || over.has(socket)) continue;
      over.add(socket);
      setTimeout(() => socket.destroy(), lastWordMs);
    }
  }, 100);
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  let bound = setTimeout(() => {
    if (cutOff === undefined) return destroyAll();
    cutOff();
    bound = setTimeout(destroyAll, lastWordMs);
  }, drainMs);
  await closed;
  clearInterval(idleSweep);
  clearTimeout(bound);
}
