/** Owns the proof that only processes which are what they say are answered, and that who is refused learns why. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { RecordUsageRequestSchema, RecordUsageResponseSchema } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import { Secret } from "../secrets/secret.ts";
import { deserializerOf, pathOf, serializerOf } from "./grpc-codec.ts";
import type { PeerProtection, TlsProtection } from "./peer-credentials.ts";
import { createAuthority, issueCertificate, writeProtection, type Validity } from "./testing/certificates.ts";
import { clientOf, contextOf, failureOf, listenTo, scripted, sharedSecret, type ClientChoices } from "./testing/peers.ts";

const directory = mkdtempSync(join(tmpdir(), "weir-mistrust-"));
afterAll(() => rmSync(directory, { recursive: true }));
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const dayMs = 86_400_000;
const expired: Validity = { from: new Date(Date.now() - 2 * dayMs), to: new Date(Date.now() - dayMs) };
const notYetValid: Validity = { from: new Date(Date.now() + dayMs), to: new Date(Date.now() + 2 * dayMs) };
const authority = createAuthority("weir test authority");
const stranger = createAuthority("somebody else");

let folders = 0;

/** Files of a process whose certificate is from `issuer`, and which trusts `trusted`. */
function files(names: readonly string[], { issuer = authority, trusted = authority, validity, onlyFor }: { issuer?: typeof authority; trusted?: typeof authority; validity?: Validity; onlyFor?: "server" | "client" } = {}): TlsProtection {
  return writeProtection(join(directory, String(folders++)), trusted, issueCertificate(issuer, names, validity, onlyFor));
}

const emptyBatch = create(RecordUsageRequestSchema);
const owner = scripted({ recordUsage: async () => create(RecordUsageResponseSchema) });

/** What a client learns that calls a server. */
async function call(server: PeerProtection, client: ClientChoices): Promise<void> {
  const listener = await listenTo(owner, { protection: server });
  cleanups.push(() => listener.close(0));
  const { peer, close } = clientOf([listener.port], { maximumAbsenceMs: 500, ...client });
  cleanups.push(close);
  await peer.recordUsage(emptyBatch, contextOf({ deadlineMs: Date.now() + 8_000 }));
}

test("whoever proves what it says is answered", async () => {
  await call(files(["metering"]), { protection: files(["routing"]) });
  await call(files(["metering", "policy"]), { protection: files(["policy", "providers"]), self: "providers" });
});

const server = (): TlsProtection => files(["metering"]);
const refused: readonly (readonly [who: string, server: () => PeerProtection, client: () => ClientChoices, cause: RegExp])[] = [
  ["a client with a certificate of another authority", server, () => ({ protection: files(["routing"], { issuer: stranger }) }), /certificate of this process is of another authority/],
  ["a client with an expired certificate", server, () => ({ protection: files(["routing"], { validity: expired }) }), /certificate of this process has expired/],
  ["a client with a certificate of tomorrow", server, () => ({ protection: files(["routing"], { validity: notYetValid }) }), /not valid before/],
  ["a client whose certificate has another service's name", server, () => ({ protection: files(["policy"]) }), /says it is "routing", but its certificate has no such DNS name: DNS:policy/],
  ["a client whose certificate has no name", server, () => ({ protection: files([]) }), /has no such DNS name: it has none/],
  ["a service that needs not call this one", server, () => ({ protection: files(["policy"]), self: "policy" }), /is for routing and providers; this peer proved to be "policy"/],
  ["a server with a certificate of another authority", () => files(["metering"], { issuer: stranger }), () => ({ protection: files(["routing"]) }), /not signed by the authority that this process knows/],
  ["a server with an expired certificate", () => files(["metering"], { validity: expired }), () => ({ protection: files(["routing"]) }), /its certificate has expired/],
  ["a server that is another service", () => files(["policy"]), () => ({ protection: files(["routing"]) }), /does not carry the service's name/],
  ["a client with a certificate for servers alone", server, () => ({ protection: files(["routing"], { onlyFor: "server" }) }), /certificate of this process is not for client use/],
  ["a server with a certificate for clients alone", () => files(["metering"], { onlyFor: "client" }), () => ({ protection: files(["routing"]) }), /its certificate is not for server use/],
  ["a client with a secret, at a server with certificates", server, () => ({}), /Set internal.tls here too/],
  ["a client with certificates, at a server with a secret", () => sharedSecret, () => ({ protection: files(["routing"]) }), /does not speak TLS/],
  ["a client with another secret", () => sharedSecret, () => ({ protection: { kind: "shared-secret", secret: new Secret("another secret, as long as it takes") } }), /not that of this internal port/],
];

describe("refused, and told why:", () => {
  test.each(refused)("%s", { timeout: 20_000 }, async (_, serverProtection, client, cause) => {
    const error = await failureOf(call(serverProtection(), client()));
    expect(error.reason).toBe("DEPENDENCY_UNAVAILABLE");
    // Callers of Weir see the message; the operator's part is in the log alone.
    expect(error.message).toBe("Weir's service metering does not answer at the moment; try again.");
    expect((error.cause as Error).message).toMatch(cause);
  });

  test("whoever shows no certificate, or no secret", async () => {
    const method = MeteringService.method.recordUsage;
    const callPlainly = (port: number, channel: ReturnType<typeof credentials.createSsl>): Promise<string> =>
      new Promise((resolve) => {
        const client = new Client(`127.0.0.1:${port}`, channel, { "grpc.ssl_target_name_override": "metering" });
        cleanups.push(() => client.close());
        client.makeUnaryRequest(pathOf(method), serializerOf(method.input), deserializerOf(method.output), emptyBatch, { deadline: Date.now() + 5_000 }, (error) => resolve(error?.message ?? "answered"));
      });
    const withTls = await listenTo(owner, { protection: server() });
    const withSecret = await listenTo(owner, { protection: sharedSecret });
    cleanups.push(() => withTls.close(0), () => withSecret.close(0));
    expect(await callPlainly(withTls.port, credentials.createSsl(Buffer.from(authority.certificatePem)))).toContain("UNAVAILABLE");
    expect(await callPlainly(withSecret.port, credentials.createInsecure())).toMatch(/UNAUTHENTICATED.*asks for the shared secret/);
  });
});

test("a renewed certificate is used for new connections, without a restart", { timeout: 20_000 }, async () => {
  const name = join(directory, "renewed");
  const write = (validity?: Validity): TlsProtection => writeProtection(name, authority, issueCertificate(authority, ["metering"], validity));
  const protection: TlsProtection = { ...write(expired), checkIntervalMs: 50 };
  const listener = await listenTo(owner, { protection });
  cleanups.push(() => listener.close(0));
  const attempt = async (): Promise<string> => {
    const { peer, close } = clientOf([listener.port], { protection: files(["routing"]), maximumAbsenceMs: 200 });
    return peer.recordUsage(emptyBatch, contextOf({ deadlineMs: Date.now() + 500 })).then(() => "answered", () => "refused").finally(close);
  };
  expect(await attempt()).toBe("refused");
  write();
  await expect.poll(attempt, { timeout: 10_000 }).toBe("answered");
});

test("while changed files cannot be used, the former stay, on both sides", { timeout: 30_000 }, async () => {
  const serverFiles: TlsProtection = { ...files(["metering"]), checkIntervalMs: 20 };
  const clientFiles: TlsProtection = { ...files(["routing"]), checkIntervalMs: 20 };
  const listener = await listenTo(owner, { protection: serverFiles });
  cleanups.push(() => listener.close(0));
  const callAnew = async (): Promise<void> => {
    const { peer, close } = clientOf([listener.port], { protection: clientFiles, maximumAbsenceMs: 1_000 });
    await peer.recordUsage(emptyBatch, contextOf({ deadlineMs: Date.now() + 5_000 })).finally(close);
  };
  await callAnew();
  const breakages: readonly ((files: TlsProtection) => void)[] = [
    // A renewal between its two files.
    ({ keyFile }) => writeFileSync(keyFile, issueCertificate(authority, []).keyPem),
    ({ certificateFile }) => writeFileSync(certificateFile, readFileSync(certificateFile).subarray(0, 200)),
    ({ authorityFile }) => writeFileSync(authorityFile, authority.certificatePem + authority.certificatePem.slice(0, 100)),
    ({ authorityFile }) => rmSync(authorityFile),
  ];
  for (const side of [serverFiles, clientFiles]) {
    const whole = [side.keyFile, side.certificateFile, side.authorityFile].map((file) => [file, readFileSync(file)] as const);
    for (const breakFile of breakages) {
      breakFile(side);
      for (const endMs = performance.now() + 300; performance.now() < endMs; ) await callAnew();
      for (const [file, bytes] of whole) writeFileSync(file, bytes);
    }
  }
});

test.each([
  ["a key of another certificate", ({ keyFile }: TlsProtection) => writeFileSync(keyFile, issueCertificate(authority, []).keyPem), /^internal\.tls: .* are no certificate \(PEM\) with its key/],
  ["half an authority", ({ authorityFile }: TlsProtection) => writeFileSync(authorityFile, authority.certificatePem.slice(0, 100)), /^internal\.tls\.authority_file: .* does not hold whole certificates/],
])("a start with %s is refused", async (_, breakFile, message) => {
  const protection = files(["metering"]);
  breakFile(protection);
  await expect(listenTo(owner, { protection })).rejects.toThrow(message);
  expect(() => clientOf([1], { protection })).toThrow(message);
});
