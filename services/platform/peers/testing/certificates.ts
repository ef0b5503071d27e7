/** Owns the certificates of tests: made on the spot with node's own crypto, so that none is kept and none expires. */
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PeerProtection } from "../peer-credentials.ts";

/** An authority whose certificate services trust. */
export interface TestAuthority {
  readonly certificatePem: string;
  readonly key: KeyObject;
  readonly name: string;
}

export interface TestCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** From when to when a certificate is good; default from yesterday to tomorrow. */
export interface Validity {
  readonly from: Date;
  readonly to: Date;
}

export function createAuthority(name: string): TestAuthority {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensions = [basicConstraints(true), keyIdentifier(publicKey)];
  return { name, key: privateKey, certificatePem: certificate({ subject: name, issuer: name, publicKey, signingKey: privateKey, extensions, validity: aroundNow() }) };
}

/** A certificate that carries these DNS names, good for both ends of a connection unless it is for one end alone. */
export function issueCertificate(authority: TestAuthority, dnsNames: readonly string[], validity: Validity = aroundNow(), onlyFor?: "server" | "client"): TestCertificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensions = [basicConstraints(false), ...(dnsNames.length === 0 ? [] : [subjectAlternativeNames(dnsNames)]), ...(onlyFor === undefined ? [] : [extendedKeyUsage(onlyFor)])];
  const certificatePem = certificate({ subject: "weir test", issuer: authority.name, publicKey, signingKey: authority.key, extensions, validity });
  return { certificatePem, keyPem: privateKey.export({ type: "pkcs8", format: "pem" }) as string };
}

/** Writes the files of a process, each in one step, as an operator's renewal would; `directory` is made. */
export function writeProtection(directory: string, authority: TestAuthority, { certificatePem, keyPem }: TestCertificate): Extract<PeerProtection, { kind: "tls" }> {
  mkdirSync(directory, { recursive: true });
  const write = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    return path;
  };
  return {
    kind: "tls",
    keyFile: write("key.pem", keyPem),
    certificateFile: write("certificate.pem", certificatePem),
    authorityFile: write("authority.pem", authority.certificatePem),
  };
}

const dayMs = 86_400_000;

function aroundNow(): Validity {
  return { from: new Date(Date.now() - dayMs), to: new Date(Date.now() + dayMs) };
}

interface CertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly extensions: readonly Buffer[];
  readonly validity: Validity;
}

/** X.509 v3 (RFC 5280), signed with ECDSA and SHA-256, as PEM. */
function certificate({ subject, issuer, publicKey, signingKey, extensions, validity }: CertificateFacts): string {
  const algorithm = sequence(objectId("1.2.840.10045.4.3.2"));
  const toBeSigned = sequence(
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    commonName(issuer),
    sequence(time(validity.from), time(validity.to)),
    commonName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    element(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", toBeSigned, createPrivateKey(signingKey.export({ type: "pkcs8", format: "pem" })));
  const der = sequence(toBeSigned, algorithm, element(0x03, Buffer.concat([Buffer.from([0]), signature])));
  return `-----BEGIN CERTIFICATE-----\n${der.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END CERTIFICATE-----\n`;
}

function commonName(name: string): Buffer {
  return sequence(element(0x31, sequence(objectId("2.5.4.3"), element(0x0c, Buffer.from(name)))));
}

function basicConstraints(isAuthority: boolean): Buffer {
  return extension("2.5.29.19", sequence(...(isAuthority ? [element(0x01, Buffer.from([0xff]))] : [])));
}

function keyIdentifier(publicKey: KeyObject): Buffer {
  return extension("2.5.29.14", element(0x04, createHash("sha1").update(publicKey.export({ type: "spki", format: "der" })).digest()));
}

function subjectAlternativeNames(dnsNames: readonly string[]): Buffer {
  return extension("2.5.29.17", sequence(...dnsNames.map((name) => element(0x82, Buffer.from(name)))));
}

function extendedKeyUsage(end: "server" | "client"): Buffer {
  return extension("2.5.29.37", sequence(objectId(end === "server" ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2")));
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectId(id), element(0x04, value));
}

function time(date: Date): Buffer {
  return element(0x18, Buffer.from(date.toISOString().replace(/[-:T]|\.\d+/g, "")));
}

function objectId(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number) as [number, number, ...number[]];
  return element(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f];
  for (let left = value >>> 7; left > 0; left >>>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, Buffer.concat(parts));
}

function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const lengthBytes = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), content]);
}
