import { mkdtempSync, rmSync } from "node:fs";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CheckRequestSchema, GuardrailPluginService } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import { createAuthority, issueCertificate, writeProtection } from "#platform/peers/testing/certificates.ts";
import { openGrpcPlugin } from "./grpc-plugin.ts";
import type { PluginSettings } from "./plugin.ts";

const directory = mkdtempSync(join(tmpdir(), "weir-plugin-"));
const authority = createAuthority("the plug-in's authority");
const own = issueCertificate(authority, ["localhost"]);
const server = createSecureServer({ key: own.keyPem, cert: own.certificatePem, ca: authority.certificatePem, requestCert: true, rejectUnauthorized: true }, connectNodeAdapter({
  routes: (router) => router.service(GuardrailPluginService, { check: () => ({ verdict: { case: "allow", value: {} } }) }),
}));
const files = writeProtection(directory, authority, issueCertificate(authority, []));

beforeAll(() => new Promise<void>((resolve) => server.listen(0, "localhost", resolve)));
afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

test("TLS holds both ways: who shows no certificate of the authority gets no answer", async () => {
  const signal = AbortSignal.timeout(10_000);
  const trusted = open({ authorityFile: files.authorityFile, certificateFile: files.certificateFile, keyFile: files.keyFile });
  expect(await trusted.check(create(CheckRequestSchema), signal)).toMatchObject({ verdict: { case: "allow" } });
  trusted.close();
  for (const tls of [{ authorityFile: files.authorityFile, certificateFile: "", keyFile: "" }, { authorityFile: "", certificateFile: files.certificateFile, keyFile: files.keyFile }]) {
    const stranger = open(tls);
    await expect(stranger.check(create(CheckRequestSchema), signal)).rejects.toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
    stranger.close();
  }
  expect(() => open({ authorityFile: join(directory, "missing"), certificateFile: "", keyFile: "" })).toThrow(/tls.authority_file/);
});

test("the metadata service of a cloud is never dialled", () => {
  expect(() => openGrpcPlugin("x", { url: "grpc://169.254.169.254:80", tls: { authorityFile: "", certificateFile: "", keyFile: "" }, secrets: [], maximumCalls: 1, maximumMessageBytes: 1024 })).toThrow(/never dialled/);
});

function open(tls: PluginSettings["tls"]): ReturnType<typeof openGrpcPlugin> {
  return openGrpcPlugin("tls", { url: `grpcs://localhost:${(server.address() as AddressInfo).port}`, tls, secrets: [], maximumCalls: 1, maximumMessageBytes: 1024 });
}
