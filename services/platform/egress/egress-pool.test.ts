/** Owns the proof that names are judged by the addresses they lead to. */
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { LookupAddress } from "node:dns";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterEach, describe, expect, it, onTestFinished, test, vi } from "vitest";
import { createAuthority, issueCertificate } from "../peers/testing/certificates.ts";
import { reasonToRefuse } from "./address.ts";
import { createCheckedLookup, shareLookups } from "./checked-lookup.ts";
import { openEgressPool, type EgressPool } from "./egress-pool.ts";

describe("createCheckedLookup", () => {
  const lookUp = (addresses: LookupAddress[], allowPrivate: boolean, all: boolean): Promise<unknown> =>
    new Promise((resolve) => {
      const lookup = createCheckedLookup((address) => reasonToRefuse(address, allowPrivate), (_hostname, callback) => callback(null, addresses));
      lookup("name.example", { all }, (error, ...rest) => resolve(error ?? rest));
    });

  it("refuses a name when one of its addresses is forbidden", async () => {
    const addresses = [{ address: "1.1.1.1", family: 4 }, { address: "169.254.169.254", family: 4 }];
    expect(await lookUp(addresses, true, true)).toMatchObject({ code: "ADDRESS_REFUSED" });
    expect(await lookUp(addresses, true, false)).toMatchObject({ code: "ADDRESS_REFUSED" });
  });

  it("allows private addresses only where the operator asked", async () => {
    const addresses = [{ address: "10.0.0.1", family: 4 }];
    expect(await lookUp(addresses, false, true)).toMatchObject({ code: "ADDRESS_REFUSED" });
    expect(await lookUp(addresses, true, true)).toEqual([addresses]);
    expect(await lookUp(addresses, true, false)).toEqual(["10.0.0.1", 4]);
  });
});

test("one name is looked up once at a time, for all who ask meanwhile", () => {
  const asked: { readonly hostname: string; readonly answer: (error: Error | null, addresses: readonly LookupAddress[]) => void }[] = [];
  const resolveAll = shareLookups((hostname, answer) => void asked.push({ hostname, answer }));
  const told: unknown[] = [];
  const ask = (hostname: string): void => resolveAll(hostname, (error, addresses) => told.push(error ?? addresses));
  for (const hostname of ["silent.example", "silent.example", "other.example", "silent.example"]) ask(hostname);
  expect(asked.map(({ hostname }) => hostname)).toEqual(["silent.example", "other.example"]);
  const addresses = [{ address: "1.1.1.1", family: 4 }];
  asked[1]!.answer(null, addresses);
  expect(told).toEqual([addresses]);
  const failure = new Error("no answer");
  asked[0]!.answer(failure, []);
  expect(told).toEqual([addresses, failure, failure, failure]);
  ask("silent.example");
  expect(asked).toHaveLength(3);
});

describe("openEgressPool", () => {
  let pool: EgressPool | undefined;
  afterEach(() => pool?.destroy());

  it("refuses an address that must not be dialled", () => {
    const options = { connectTimeoutMs: 1000, maximumConnections: 1 };
    expect(() => openEgressPool({ ...options, origin: "http://169.254.169.254", allowPrivateAddresses: true })).toThrowError(/never dialled/);
    expect(() => openEgressPool({ ...options, origin: "http://[::1]:80", allowPrivateAddresses: false })).toThrowError(/private/);
  });

  it("opens no more connections than it may", async () => {
    let connections = 0;
    const server = createServer((request, response) => void request.resume().once("end", () => response.end("ok")));
    server.on("connection", () => connections++);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    pool = openEgressPool({ origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, allowPrivateAddresses: true, connectTimeoutMs: 1000, maximumConnections: 2 });
    const opened = pool;
    await Promise.all(Array.from({ length: 8 }, () => send(opened)));
    expect(connections).toBe(2);
    server.close();
  });

  it.each([
    ["https", 1],
    ["http", 2],
  ] as const)("after twenty quiet seconds, by %s, the second call makes for %i connection(s)", async (scheme, expected) => {
    const authority = createAuthority("vendors");
    const { certificatePem, keyPem } = issueCertificate(authority, ["localhost"]);
    const trusted = getCACertificates("default");
    setDefaultCACertificates([authority.certificatePem]);
    onTestFinished(() => setDefaultCACertificates(trusted));
    // A server that never ends a quiet connection, nor says when it would.
    const settings = { keepAliveTimeout: 0 };
    const answer: RequestListener = (request, response) => void request.resume().once("end", () => response.end("ok"));
    const server = scheme === "https" ? createTlsServer({ ...settings, cert: certificatePem, key: keyPem }, answer) : createServer(settings, answer);
    let connections = 0;
    server.on(scheme === "https" ? "secureConnection" : "connection", () => connections++);
    await new Promise<void>((resolve) => server.listen(0, resolve));
    onTestFinished(() => void server.close());
    pool = openEgressPool({ origin: `${scheme}://localhost:${(server.address() as AddressInfo).port}`, allowPrivateAddresses: true, connectTimeoutMs: 1000, maximumConnections: 1 });

    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    await send(pool);
    await vi.advanceTimersByTimeAsync(20_000);
    await send(pool);
    expect(connections).toBe(expected);
  });
});

const request = { method: "POST" as const, path: "/", headers: [], body: Buffer.from("{}"), headersTimeout: 60_000, bodyTimeout: 60_000 };

function send(pool: EgressPool): Promise<void> {
  return new Promise((resolve, reject) => {
    const ignore = (): void => {};
    const onResponseError = (_controller: unknown, error: Error): void => reject(error);
    pool.dispatch(request, { onRequestStart: ignore, onResponseStart: ignore, onResponseData: ignore, onResponseEnd: () => resolve(), onResponseError });
  });
}
