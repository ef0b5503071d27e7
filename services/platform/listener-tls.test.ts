import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { listen } from "./listener.ts";
import { createLogger } from "./logger.ts";
import { createAuthority, issueCertificate, writeProtection, type TestAuthority } from "./peers/testing/certificates.ts";

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
  const options = { address: "127.0.0.1", port: 0, portHint: "", handler: () => undefined, tls: { settings, logger: createLogger("silent") } };
  await expect(listen(options)).rejects.toThrow("listen.tls.certificate_file: /nowhere.pem cannot be read (ENOENT).");
});

async function startPort(): Promise<{ readonly authority: TestAuthority; readonly directory: string; readonly port: number }> {
  const directory = mkdtempSync(join(tmpdir(), "weir-listener-"));
  const authority = createAuthority("test");
  const { certificateFile, keyFile } = writeProtection(directory, authority, issueCertificate(authority, ["first.test"]));
  const settings = { certificateFile, keyFile, clientAuthorityFile: undefined, checkIntervalMs: 10 };
  const listener = await listen({ address: "127.0.0.1", port: 0, portHint: "", handler: (_request, response) => void response.end("ok"), tls: { settings, logger: createLogger("silent") } });
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
