/** Proves that callers with a client certificate are let in, over HTTP/1.1 and HTTP/2, as the rules of `identity` say. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttps, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { createAuthority, issueCertificate, writeProtection, type TestAuthority, type Validity } from "#platform/peers/testing/certificates.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const serverName = "weir.test";
let authority: TestAuthority;
let directory: string;
let weir: Weir;

beforeAll(async () => {
  authority = createAuthority("callers and server");
  directory = await mkdtemp(join(tmpdir(), "weir-certificates-"));
  const files = writeProtection(directory, authority, issueCertificate(authority, [serverName]));
  weir = await startWeir({
    config: `
listen: { tls: { certificate_file: ${files.certificateFile}, key_file: ${files.keyFile}, client_authority_file: ${files.authorityFile} } }
providers: { demo: { vendor: demo } }
identity:
  certificates:
    - { when: { dns: billing.acme }, organization: default, labels: { service: "{dns}" } }
    - { when: { common_name: weir test, dns: operations.acme }, organization: default, role: admin }
`,
  });
});
afterAll(async () => {
  await weir?.stop();
  await rm(directory, { recursive: true, force: true });
});

type Connection = Pick<RequestOptions, "ca" | "cert" | "key" | "servername">;

/** What a client connects with: a certificate of these names, or none. */
function connection(dnsNames?: readonly string[], signedBy = authority, validity?: Validity): Connection {
  const server = { ca: authority.certificatePem, servername: serverName };
  if (dnsNames === undefined) return server;
  const { certificatePem, keyPem } = issueCertificate(signedBy, dnsNames, validity);
  return { ...server, cert: certificatePem, key: keyPem };
}

interface Reply {
  readonly status: number;
  readonly reason: string | undefined;
  readonly requestId: string;
  readonly text: string;
}

function call(options: Connection, key?: string): Promise<Reply> {
  return callWith(key === undefined ? {} : { authorization: `Bearer ${key}` }, options);
}

function callWith(headers: Readonly<Record<string, string>>, options: Connection, path = "/v1/chat/completions"): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = requestHttps(weir.origin + path, { ...options, method: "POST", headers: { "content-type": "application/json", ...headers }, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.once("end", () => resolve({ status: response.statusCode!, reason: response.headers["x-weir-reason"] as string | undefined, requestId: String(response.headers["x-request-id"]), text: Buffer.concat(parts).toString() }));
    });
    request.once("error", reject);
    request.end(JSON.stringify({ model: "demo/demo-chat", max_tokens: 20, messages: [{ role: "user", content: "rain" }] }));
  });
}

function withKey(key: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${key}`);
    return next(request);
  };
}

function admin() {
  const transport = createConnectTransport({ baseUrl: weir.origin, httpVersion: "1.1", nodeOptions: connection(), interceptors: [withKey(weir.adminKey)] });
  return { policy: createClient(PolicyService, transport), metering: createClient(MeteringService, transport) };
}

describe("the public port with TLS", () => {
  test("lets a caller in by its certificate, who stands in the ledger under a key of its own", async () => {
    expect(weir.origin).toMatch(/^https:/);
    const options = connection(["billing.acme"]);
    const [{ requestId, status }] = await Promise.all([call(options), call(options), call(connection(["billing.acme"]))]);
    expect(status).toBe(200);
    const { keys } = await admin().policy.listKeys({});
    const callers = keys.filter(({ issuer }) => issuer === "certificate");
    expect(callers).toMatchObject([{ subject: "dns:billing.acme", secretPrefix: "" }]);
    const attempt = async () => (await admin().metering.listAttempts({ requestId })).attempts[0]?.event?.intent?.attribution;
    await expect.poll(attempt, { timeout: 10_000 }).toMatchObject({ keyId: callers[0]!.id, labels: { service: "billing.acme" } });
  });

  test("knows it over gRPC, too, and refuses it on the open connection once its key is revoked", async () => {
    const inference = createClient(InferenceService, createGrpcTransport({ baseUrl: weir.origin, nodeOptions: connection(["other.acme", "billing.acme"]) }));
    expect((await inference.listModels({})).models).not.toHaveLength(0);
    const operations = createClient(PolicyService, createGrpcTransport({ baseUrl: weir.origin, nodeOptions: connection(["operations.acme"]) }));
    const { keys } = await operations.listKeys({});
    const own = keys.find(({ subject }) => subject === "dns:operations.acme")!;
    await admin().policy.revokeKey({ keyId: own.id });
    const refusal = (): Promise<string> => operations.listKeys({}).then(() => "none", (error: unknown) => String(error));
    await expect.poll(refusal, { timeout: 2_000, interval: 20 }).toContain("The key was revoked");
  });

  test("takes a key where there is no certificate, and before one", async () => {
    expect(await call(connection(), weir.inferenceKey)).toMatchObject({ status: 200 });
    expect(await call(connection(["stranger.acme"]), weir.inferenceKey)).toMatchObject({ status: 200 });
  });

  test.each<[string, () => Connection, string, number]>([
    ["neither key nor certificate", () => connection(), "KEY_MISSING", 401],
    ["a certificate of another authority", () => connection(["billing.acme"], createAuthority("impostor")), "KEY_MISSING", 401],
    ["a certificate that no rule fits", () => connection(["stranger.acme"]), "CALLER_NOT_ALLOWED", 403],
    ["a certificate without names that a rule fits", () => connection([]), "CALLER_NOT_ALLOWED", 403],
  ])("refuses %s", async (_, options, reason, status) => {
    expect(await call(options())).toMatchObject({ reason, status });
  });

  test.each<[string, () => Connection, string]>([
    ["of another authority", () => connection(["billing.acme"], createAuthority("impostor")), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
    ["that has ended", () => connection(["billing.acme"], authority, { from: new Date(0), to: new Date(1_000) }), "CERT_HAS_EXPIRED"],
    ["that begins later", () => connection(["billing.acme"], authority, { from: new Date(Date.now() + 3_600_000), to: new Date(Date.now() + 7_200_000) }), "CERT_NOT_YET_VALID"],
  ])("says why a certificate %s counts as none", async (_, options, fault) => {
    expect(await call(options())).toMatchObject({ reason: "KEY_MISSING", text: expect.stringContaining(`counts as none (${fault})`) });
  });

  test("takes no browser's certificate for the pages of others, which would show it unasked", async () => {
    const options = connection(["billing.acme"]);
    const simple = { "content-type": "text/plain" };
    for (const headers of [{ origin: "https://evil.example.com" }, { origin: "null" }, { "sec-fetch-site": "cross-site" }, { "sec-fetch-site": "same-site" }]) {
      expect(await callWith({ ...simple, ...headers }, options)).toMatchObject({ status: 401, reason: "KEY_MISSING", text: expect.stringContaining("a web page of another origin") });
    }
    expect(await callWith({ ...simple, origin: weir.origin, "sec-fetch-site": "same-origin" }, options)).toMatchObject({ status: 200 });
    expect(await callWith({ origin: "https://evil.example.com", authorization: `Bearer ${weir.inferenceKey}` }, options)).toMatchObject({ status: 200 });
  });

  test("takes it also where a client has an empty key to send", async () => {
    expect(await callWith({ "x-api-key": "", "anthropic-version": "2023-06-01" }, connection(["billing.acme"]), "/v1/messages")).toMatchObject({ status: 200 });
  });

  test("is not for clients that speak in the clear", async () => {
    await expect(fetch(weir.origin.replace("https:", "http:"))).rejects.toThrow();
  });

  test("agrees on HTTP/2 by ALPN", async () => {
    const session = connectHttp2(weir.origin, connection());
    await new Promise((resolve, reject) => session.once("connect", resolve).once("error", reject));
    expect(session.alpnProtocol).toBe("h2");
    session.destroy();
  });
});
