/** Owns single small calls through egress, for services beside the vendors: one request, one whole reply, or the head of it. Follows no redirect. */
import { Agent } from "undici";
import { reasonToRefuse } from "./address.ts";
import { createCheckedLookup } from "./checked-lookup.ts";
import { refuseForbiddenHost } from "./egress-pool.ts";
import { createConnector } from "./proxy.ts";

export interface ExchangeRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** Only the status and the headers count: the reply has them as soon as they come, and no body, however long that would be. */
  readonly ignoresReplyBody?: true;
}

export interface ExchangeReply {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Rejects when the address must not be dialled, the connection fails, the reply is too large, or the signal fires. */
export type Exchange = (request: ExchangeRequest, signal: AbortSignal) => Promise<ExchangeReply>;

const maximumReplyBytes = 1024 * 1024;
const connectTimeoutMs = 10_000;
/** Of a body that is ignored, so much is read, so that its connection can be used again. */
const ignoredBytes = 16 * 1024;

/** For hosts that the operator has chosen: private addresses are dialled, those of metadata services never. */
export const exchangeThroughEgress = exchangeBy(true);

/** For hosts that are to be on the internet: private addresses are not dialled. */
export const exchangeWithPublicHost = exchangeBy(false);

/** Like `exchangeThroughEgress`, with hosts that these authorities (PEM) have certified, and no others. */
export function exchangeTrusting(authorities: string): Exchange {
  return exchangeBy(true, { ca: authorities });
}

/** Like `exchangeThroughEgress`, with connections of its own, and as many: so many calls at once wait for none of them. Replies may be as large as is said. */
export function exchangeOverOwn(connections: number, largestReplyBytes: number): Exchange {
  return exchangeBy(true, {}, connections, largestReplyBytes);
}

function exchangeBy(allowPrivateAddresses: boolean, trust: { readonly ca?: string } = {}, connections = 64, largestReplyBytes = maximumReplyBytes): Exchange {
  const lookup = createCheckedLookup((address) => reasonToRefuse(address, allowPrivateAddresses));
  const agent = new Agent({ allowH2: false, pipelining: 1, connections, maxResponseSize: largestReplyBytes, connect: createConnector({ timeout: connectTimeoutMs, lookup, ...trust }) });
  return async ({ method, url, headers, body, ignoresReplyBody }, signal) => {
    const { origin, pathname, search } = new URL(url);
    // What stands behind the host may be a secret, and what is refused is logged.
    refuseForbiddenHost(origin, allowPrivateAddresses);
    signal.throwIfAborted();
    const reply = await untilAborted(agent.request({ origin, path: pathname + search, method, headers: { ...headers }, body: body ?? null, signal }), signal);
    const flat = Object.entries(reply.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : (value ?? "")] as const);
    const head = { status: reply.statusCode, headers: Object.fromEntries(flat) };
    if (ignoresReplyBody !== true) return { ...head, body: Buffer.from(await reply.body.arrayBuffer()) };
    reply.body.dump({ limit: ignoredBytes, signal }).catch(() => undefined);
    return { ...head, body: Buffer.alloc(0) };
  };
}

/** Undici hears the signal only once a connection is there and free; what nobody waits for any more it then drops without sending a byte. */
function untilAborted<Outcome>(work: Promise<Outcome>, signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
