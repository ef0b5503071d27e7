import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { constants, createSecureServer, createServer } from "node:http2";
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { CheckRequestSchema, GuardrailPluginService } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import { systemClock, type Clock } from "#platform/clock.ts";
import { createAuthority, issueCertificate, writeProtection } from "#platform/peers/testing/certificates.ts";
import { JudgedTooLate } from "../../domain/guardrails/outside/outside-check.ts";
import { openGrpcPlugin } from "./grpc-plugin.ts";
import type { PluginSettings } from "./plugin.ts";

const directory = mkdtempSync(join(tmpdir(), "weir-plugin-"));
const authority = createAuthority("the plug-in's authority");
const own = issueCertificate(authority, ["localhost"]);
const server = createSecureServer({ key: own.keyPem, cert: own.certificatePem, ca: authority.certificatePem, requestCert: true, rejectUnauthorized: true }, connectNodeAdapter({
  routes: (router) => router.service(GuardrailPluginService, { check: () => ({ verdict: { case: "allow", value: {} } }) }),
}));
const files = writeProtection(directory, authority, issueCertificate(authority, []));

const unprotected = { tls: { authorityFile: "", certificateFile: "", keyFile: "" }, secrets: [], maximumCalls: 1, maximumMessageBytes: 1024 };

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

test("files that change are used for the next connection, once they can be", async () => {
  const signal = AbortSignal.timeout(10_000);
  const strangers = createAuthority("somebody else's authority");
  const renewed = join(directory, "renewed");
  const { kind: _, ...tls } = writeProtection(renewed, authority, issueCertificate(strangers, []));
  let nowMs = 0;
  const plugin = open(tls, { now: () => 0, monotonicMs: () => nowMs });
  const answer = async (): Promise<unknown> => {
    nowMs += 10_000;
    return plugin.check(create(CheckRequestSchema), signal).catch(({ reason }: { readonly reason: string }) => reason);
  };
  expect(await answer()).toBe("DEPENDENCY_UNAVAILABLE");
  const certificate = issueCertificate(authority, []);
  // Its key has not come yet.
  writeFileSync(tls.certificateFile, certificate.certificatePem);
  expect(await answer()).toBe("DEPENDENCY_UNAVAILABLE");
  writeFileSync(tls.keyFile, certificate.keyPem);
  expect(await answer()).toMatchObject({ verdict: { case: "allow" } });
  plugin.close();
});

test.each(["no key", own.keyPem])("a key that is none, or another one's, is told of", (key) => {
  const keyFile = join(directory, "wrong.pem");
  writeFileSync(keyFile, key);
  expect(() => open({ authorityFile: files.authorityFile, certificateFile: files.certificateFile, keyFile })).toThrow(/^guardrail_plugins.tls.tls: .* are no certificate \(PEM\) with its key/);
});

test("what a plug-in that restarts has not begun is sent again", async () => {
  let calls = 0;
  const judge = connectNodeAdapter({ routes: (router) => router.service(GuardrailPluginService, { check: () => ({ verdict: { case: "allow", value: {} } }) }) });
  const restarting = createServer((request, response) => {
    calls++;
    if (calls === 1) response.stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else judge(request, response);
  });
  await new Promise<void>((resolve) => restarting.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void restarting.close());
  const plugin = openGrpcPlugin("restarting", { ...unprotected, url: `grpc://127.0.0.1:${(restarting.address() as AddressInfo).port}` }, systemClock);
  expect(await plugin.check(create(CheckRequestSchema), AbortSignal.timeout(10_000))).toMatchObject({ verdict: { case: "allow" } });
  expect(calls).toBe(2);
  plugin.close();
});

test("a connection to an instance that vanished without a word is not asked for ever", async () => {
  const judge = createServer(connectNodeAdapter({ routes: (router) => router.service(GuardrailPluginService, { check: () => ({ verdict: { case: "allow", value: {} } }) }) }));
  await new Promise<void>((resolve) => judge.listen(0, "127.0.0.1", resolve));
  const sockets: Socket[] = [];
  const network = createTcpServer((socket) => {
    const onward = connect((judge.address() as AddressInfo).port, "127.0.0.1");
    sockets.push(socket, onward);
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => network.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    network.close();
    judge.close();
  });
  let nowMs = 0;
  const plugin = openGrpcPlugin("vanished", { ...unprotected, url: `grpc://127.0.0.1:${(network.address() as AddressInfo).port}` }, { now: () => 0, monotonicMs: () => nowMs });
  const answer = async (withinMs: number): Promise<unknown> => {
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(new JudgedTooLate({ name: "plugin:vanished", judge: { case: "plugin", value: "vanished" }, timeoutMs: withinMs, failOpen: false })), withinMs);
    return plugin.check(create(CheckRequestSchema), time.signal).catch(({ reason }: { readonly reason: string }) => reason).finally(() => clearTimeout(timer));
  };
  expect(await answer(10_000)).toMatchObject({ verdict: { case: "allow" } });
  for (const socket of sockets) socket.unpipe();
  expect(await answer(200)).toBe("DEADLINE_EXCEEDED");
  nowMs = 10_000;
  expect(await answer(200)).toBe("DEADLINE_EXCEEDED");
  expect(await answer(10_000)).toMatchObject({ verdict: { case: "allow" } });
  expect(sockets).toHaveLength(4);
  plugin.close();
});

test("why there is no connection is told, what a plug-in says is not", async () => {
  const silent = createTcpServer((socket) => socket.end("no TLS"));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const rude = createServer(connectNodeAdapter({
    routes: (router) => router.service(GuardrailPluginService, { check: () => Promise.reject(new ConnectError("it quotes", Code.Unavailable)) }),
  }));
  await new Promise<void>((resolve) => rude.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    silent.close();
    rude.close();
  });
  const failure = async (scheme: string, server: { address(): unknown }): Promise<unknown> => {
    const plugin = openGrpcPlugin("broken", { ...unprotected, url: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}` }, systemClock);
    const thrown: unknown = await plugin.check(create(CheckRequestSchema), AbortSignal.timeout(10_000)).catch((error: unknown) => error);
    plugin.close();
    return thrown;
  };
  expect(await failure("grpcs", silent)).toMatchObject({ message: expect.stringContaining("guardrail_plugins.broken (url, tls)") as string, cause: { message: expect.stringContaining("wrong version number") as string } });
  const quoting = await failure("grpc", rude);
  expect(quoting).toMatchObject({ message: 'The guardrail plug-in "broken" failed with the gRPC status UNAVAILABLE.' });
  expect(quoting).not.toHaveProperty("cause");
});

test("the metadata service of a cloud is never dialled", () => {
  expect(() => openGrpcPlugin("x", { ...unprotected, url: "grpc://169.254.169.254:80" }, systemClock)).toThrow(/never dialled/);
});

function open(tls: PluginSettings["tls"], clock: Clock = systemClock): ReturnType<typeof openGrpcPlugin> {
  return openGrpcPlugin("tls", { url: `grpcs://localhost:${(server.address() as AddressInfo).port}`, tls, secrets: [], maximumCalls: 1, maximumMessageBytes: 1024 }, clock);
}
