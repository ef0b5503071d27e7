import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, test } from "vitest";
import { root } from "./compose-file.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weir-certificates-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** What it says, a line for each thing it made or found good. */
async function makeCertificates(services: readonly string[], days = "365"): Promise<string> {
  const env = { PATH: process.env["PATH"], WEIR_CERTIFICATE_DAYS: days };
  return (await promisify(execFile)("sh", [join(root, "deploy/certificates.sh"), directory, ...services], { env })).stdout;
}

const read = (file: string): Promise<string> => readFile(join(directory, file), "utf8");

test("a certificate is for one service, on both ends of a call, from the authority that all know", async () => {
  await makeCertificates(["policy", "metering"]);
  const certificate = new X509Certificate(await read("policy/certificate.pem"));
  expect(certificate.subjectAltName).toBe("DNS:policy");
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
  expect(certificate.ca).toBe(false);
  expect(certificate.verify(new X509Certificate(await read("policy/authority.pem")).publicKey)).toBe(true);
  expect(await read("policy/authority.pem")).toBe(await read("metering/authority.pem"));
  expect(await read("policy/key.pem")).not.toBe(await read("metering/key.pem"));
});

test("what is there stays, and what is missing is added", async () => {
  await makeCertificates(["policy"]);
  const before = await read("policy/certificate.pem");
  expect(await makeCertificates(["policy", "metering"])).toBe("policy: good\nmetering: made, lasts 365 days\n");
  expect(await read("policy/certificate.pem")).toBe(before);
});

test("a certificate near its end is renewed for the same key", async () => {
  await makeCertificates(["policy"], "100");
  const [certificate, key, authority] = [await read("policy/certificate.pem"), await read("policy/key.pem"), await read("policy/authority.pem")];
  expect(await makeCertificates(["policy"])).toBe("policy: made, lasts 365 days\n");
  expect(await read("policy/certificate.pem")).not.toBe(certificate);
  expect(await read("policy/key.pem")).toBe(key);
  expect(await read("policy/authority.pem")).toBe(authority);
});

test("another authority makes all certificates anew", async () => {
  await makeCertificates(["policy"]);
  await rm(join(directory, "authority"), { recursive: true });
  expect(await makeCertificates(["policy"])).toContain("policy: made");
  expect(await read("policy/authority.pem")).toBe(await read("authority/certificate.pem"));
});
