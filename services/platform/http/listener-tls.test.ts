import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { clientCertificateOf, type ListenerTlsSettings } from "./listener-tls.ts";
import { listen, type HttpHandler, type Listener } from "./listener.ts";
import { createLogger } from "../logger.ts";
import { createAuthority, issueCertificate, writeProtection, type TestAuthority, type TestCertificate } from "../peers/testing/certificates.ts";

test("a changed certificate is used for new connections, and one that cannot be used changes nothing", async () => {
  const { authority, directory, port } = await startPort();
  expect(await certifiedName(port, authority)).toBe("DNS:first.test");
  writeProtection(directory, authority, issueCertificate(authority, ["second.test"]));
  await expect.poll(() => certifiedName(port, authority), { timeout: 5_000, interval: 20 }).toBe("DNS:second.test");
  writeFileSync(join(directory, "certificate.pem"), "half of a certificate");
  for (let look = 0; look < 5; look++) expect(await certifiedName(port, authority)).toBe("DNS:second.test");
  writeProtection(directory, authority, issueCertificate(authority, ["third.test"]));
  await expect.poll(() => certifiedName(port, authority), { timeout: 5_000, interval: 20 }).toBe("DNS:third.test");
});

test("files that are none are refused at the start", async () => {
  const settings = { certificateFile: "/nowhere.pem", keyFile: "/nowhere.key", clientAuthorityFile: undefined };
  const options = { address: "127.0.0.1", port: 0, portHint: "", handler: () => undefined, logger: createLogger("silent"), tls: settings };
  await expect(listen(options)).rejects.toThrow("listen.tls.certificate_file: /nowhere.pem cannot be read (ENOENT).");
});

test("a file of authorities that holds none, or half of one, is refused at the start, and changes nothing later", async () => {
  const directory = mkdtempSync(join(tmpdir(), "weir-listener-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const authority = createAuthority("test");
  const { certificateFile, keyFile, authorityFile } = writeProtection(directory, authority, issueCertificate(authority, ["first.test"]));
  const whole = authority.certificatePem;
  const port = (): Promise<Listener> => listenWith({ certificateFile, keyFile, clientAuthorityFile: authorityFile, checkIntervalMs: 10 });
  for (const text of ["", "no certificate", whole.slice(0, 100), whole + whole.slice(0, 100), whole.replace(/\n.{20}/, "\n")]) {
    writeFileSync(authorityFile, text);
    await expect(port()).rejects.toThrow(/^listen\.tls\.client_authority_file: .* does not hold whole certificates/);
  }
  writeFileSync(authorityFile, `what the operator calls it\n${whole}\n${createAuthority("other").certificatePem}`);
  const listener = await port();
  onTestFinished(() => listener.close(0));
  const caller = issueCertificate(authority, ["caller.test"]);
  expect(await isTaken(listener.port, authority, caller)).toBe("true");
  writeFileSync(authorityFile, whole.slice(0, 100));
  for (let look = 0; look < 20; look++) expect(await isTaken(listener.port, authority, caller)).toBe("true");
  writeFileSync(authorityFile, createAuthority("another").certificatePem);
  await expect.poll(() => isTaken(listener.port, authority, caller), { timeout: 5_000, interval: 20 }).toBe("false");
});

function listenWith(settings: ListenerTlsSettings): Promise<Listener> {
  const handler: HttpHandler = (request, response) => void response.end(String(clientCertificateOf(request) !== undefined));
  return listen({ address: "127.0.0.1", port: 0, portHint: "", handler, logger: createLogger("silent"), tls: settings });
}

/** Whether the caller's certificate counts. */
function isTaken(port: number, authority: TestAuthority, { certificatePem, keyPem }: TestCertificate): Promise<string> {
  const options = { ca: authority.certificatePem, cert: certificatePem, key: keyPem, checkServerIdentity: () => undefined, agent: false };
  return new Promise((resolve, reject) => {
    get(`https://127.0.0.1:${port}`, options, (response) => response.once("data", (text: Buffer) => resolve(text.toString()))).once("error", reject);
  });
}

async function startPort(): Promise<{ readonly authority: TestAuthority; readonly directory: string; readonly port: number }> {
  const directory = mkdtempSync(join(tmpdir(), "weir-listener-"));
  const authority = createAuthority("test");
  const { certificateFile, keyFile } = writeProtection(directory, authority, issueCertificate(authority, ["first.test"]));
  const listener = await listenWith({ certificateFile, keyFile, clientAuthorityFile: undefined, checkIntervalMs: 10 });
  onTestFinished(async () => {
    await listener.close(0);
    rmSync(directory, { recursive: true, force: true });
  });
  return { authority, directory, port: listener.port };
}

function certifiedName(port: number, authority: TestAuthority): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", ca: authority.certificatePem, checkServerIdentity: () => undefined }, () => {
      resolve(socket.getPeerX509Certificate()?.subjectAltName);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
