/** Owns the connections to one origin: the only code in Weir that dials a vendor. Follows no redirect. */
import { isIP } from "node:net";
import { Pool, type Dispatcher } from "undici";
import { GatewayError } from "../errors.ts";
import { reasonToRefuse } from "./address.ts";
import { createCheckedLookup } from "./checked-lookup.ts";
import { createConnector } from "./proxy.ts";

/**
 * How long a connection with TLS is kept for the next call, where the server does not say how long it keeps it: a new one costs three round trips. Undici's four
 * seconds stand without TLS, as servers of one's own (uvicorn, node:http) close after five; those of vendors are behind
 * load balancers, which wait a minute or more (AWS's by default: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html).
 */
const idleTlsMs = 30_000;

export interface EgressPoolOptions {
  /** Scheme, host and port, such as `https://api.openai.com`. */
  readonly origin: string;
  /** Allows loopback and private addresses: only for an origin that the operator has set. */
  readonly allowPrivateAddresses: boolean;
  readonly connectTimeoutMs: number;
  readonly maximumConnections: number;
}

export interface EgressRequest {
  readonly method: "POST" | "GET" | "DELETE";
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Buffer | null;
  /** How long to wait for the reply's headers once the request is sent. */
  readonly headersTimeout: number;
  /** How long the reply may be silent once its headers have come; does not run while the handler pauses. */
  readonly bodyTimeout: number;
}

/**
 * What happens to one request. `onRequestStart` comes right before its first byte is written: until then, none has left.
 * Aborting the controller closes the connection.
 */
export type EgressHandler = Required<Pick<Dispatcher.DispatchHandler, "onRequestStart" | "onResponseStart" | "onResponseData" | "onResponseEnd" | "onResponseError">>;
export type EgressController = Dispatcher.DispatchController;

export interface EgressPool {
  /** Sends the request on a connection of its own, as soon as one is free. Every failure comes to the handler. */
  dispatch(request: EgressRequest, handler: EgressHandler): void;
  /** Lets the requests under way finish, then closes the connections; takes no new one. */
  close(): Promise<void>;
  /** Cuts what is under way and closes the connections. */
  destroy(): Promise<void>;
}

/** Throws INVALID_REQUEST when the origin is an address that must not be dialled. */
export function openEgressPool(options: EgressPoolOptions): EgressPool {
  refuseForbiddenHost(options.origin, options.allowPrivateAddresses);
  const pool = new Pool(options.origin, {
    connections: options.maximumConnections,
    pipelining: 1,
    // With HTTP/1.1 a request has its connection to itself: cancelling closes it, and "not one byte was sent" can be proven.
    allowH2: false,
    ...(options.origin.startsWith("https:") ? { keepAliveTimeout: idleTlsMs } : {}),
    connect: createConnector({
      timeout: options.connectTimeoutMs,
      lookup: createCheckedLookup((address) => reasonToRefuse(address, options.allowPrivateAddresses)),
    }),
  });
  return {
    dispatch: (request, handler) => void pool.dispatch(request, handler),
    close: () => pool.close(),
    destroy: () => pool.destroy(),
  };
}

/** Throws INVALID_REQUEST when the URL's host is an address that must not be dialled; names are judged when they are resolved. */
export function refuseForbiddenHost(url: string, allowPrivate: boolean): void {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, "");
  const refusal = isIP(host) === 0 ? undefined : reasonToRefuse(host, allowPrivate);
  if (refusal !== undefined) throw new GatewayError("INVALID_REQUEST", `${url} cannot be used: ${refusal}.`);
}
