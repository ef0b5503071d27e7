/** Owns fetching one file from a host that a caller named: from a public address alone, without redirects, bounded in bytes. */
import { Resolver, type LookupAddress } from "node:dns";
import { isIP } from "node:net";
import { Client, type Dispatcher } from "undici";
import { GatewayError } from "../errors.ts";
import { reasonToRefuse } from "./address.ts";
import { createCheckedLookup, type RefuseAddress, type ResolveAll } from "./checked-lookup.ts";
import { FileRefused } from "./file-url.ts";

export interface FetchFileOptions {
  readonly maximumBytes: number;
  /** Told of bytes before they are kept; a GatewayError that it throws ends the fetch. */
  readonly reserve: (bytes: number) => void;
  /** Ends the fetch, which then throws the signal's reason. */
  readonly signal: AbortSignal;
  readonly internet?: Internet;
}

/** Where names lead, and what is dialled; another one than `publicInternet` in tests. */
export interface Internet {
  readonly resolveAll: ResolveAll;
  readonly refuse: RefuseAddress;
}

export interface FetchedFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the host says of it, without parameters and in lower case; empty when it says nothing. */
  readonly mediaType: string;
}

/** Asks DNS and nothing else: no file of hosts, and no thread of those that also sync the journal. */
const resolveByDns: ResolveAll = (hostname, callback) => {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.resolve4(hostname, (error, four) => {
    resolver.resolve6(hostname, (_error, six) => {
      const addresses = [...withFamily(four, 4), ...withFamily(six, 6)];
      callback(addresses.length === 0 ? error : null, addresses);
    });
  });
};

/** Node gives none instead of an empty list when a name has no address of the family. */
function withFamily(addresses: readonly string[] | undefined, family: number): LookupAddress[] {
  return (addresses ?? []).map((address) => ({ address, family }));
}

const publicInternet: Internet = { resolveAll: resolveByDns, refuse: (address) => reasonToRefuse(address, false) };

/** Throws FileRefused, the GatewayError of `reserve`, or the signal's reason. */
export async function fetchFile(url: URL, { maximumBytes, reserve, signal, internet = publicInternet }: FetchFileOptions): Promise<FetchedFile> {
  const literal = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(literal) !== 0 && internet.refuse(literal) !== undefined) throw unreachable(url);
  // Each fetch has a connection of its own, to the addresses that were checked for it.
  const client = new Client(url.origin, { allowH2: false, connect: { lookup: createCheckedLookup(internet.refuse, internet.resolveAll) } });
  // The request's own signal would be heard only once a connection is there.
  const cut = (): void => void client.destroy();
  signal.addEventListener("abort", cut);
  try {
    signal.throwIfAborted();
    const reply = await client.request({ method: "GET", path: url.pathname + url.search, headers: { accept: "*/*", "accept-encoding": "identity", "user-agent": "weir" } });
    refuseReply(reply, url);
    const mediaType = headerOf(reply, "content-type").split(";")[0]!.trim().toLowerCase();
    return { bytes: await readBody(reply, maximumBytes, reserve), mediaType };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error instanceof FileRefused || error instanceof GatewayError ? error : unreachable(url, error);
  } finally {
    signal.removeEventListener("abort", cut);
    cut();
  }
}

function refuseReply(reply: Dispatcher.ResponseData, { hostname }: URL): void {
  const { statusCode } = reply;
  if (statusCode >= 300 && statusCode < 400) throw new FileRefused(`${hostname} redirects to another address, which is not followed; give that one.`);
  if (statusCode !== 200) throw new FileRefused(`${hostname} answered with status ${statusCode}.`);
  const encoding = headerOf(reply, "content-encoding");
  if (encoding !== "" && encoding !== "identity") throw new FileRefused(`${hostname} packed it though it was asked not to, and it is not unpacked.`);
}

async function readBody(reply: Dispatcher.ResponseData, maximumBytes: number, reserve: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = new FileRefused(`it is larger than ${maximumBytes} bytes.`);
  if (Number(headerOf(reply, "content-length")) > maximumBytes) throw tooLarge;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of reply.body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maximumBytes) throw tooLarge;
    reserve(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function headerOf({ headers }: Dispatcher.ResponseData, name: string): string {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

/** One message for all that goes wrong on the way, so that callers learn nothing of the network that Weir is in. */
function unreachable({ hostname }: URL, cause?: unknown): FileRefused {
  return new FileRefused(`${hostname} cannot be reached, or is not at a public address.`, { cause });
}
