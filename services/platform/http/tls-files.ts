/** Owns reading the PEM files of one end of TLS connections, and refusing those that would not work. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { GatewayError } from "../errors.ts";

export interface TlsFileNames {
  /** Where the configuration names them, such as `listen.tls`. */
  readonly section: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Who signs the certificates of the other side; undefined where it is not asked for one. */
  readonly authority: { readonly field: string; readonly file: string; readonly signsFor: string } | undefined;
}

export type TlsFiles = Readonly<Record<"cert" | "key", Buffer>> & { readonly ca?: Buffer };

/** Throws INVALID_REQUEST when the files cannot be used. */
export function readTlsFiles({ section, certificateFile, keyFile, authority }: TlsFileNames): TlsFiles {
  const ca = authority === undefined ? {} : { ca: readAuthorities(section, authority) };
  const files = { cert: readFile(`${section}.certificate_file`, certificateFile), key: readFile(`${section}.key_file`, keyFile), ...ca };
  try {
    createSecureContext(files);
  } catch (error) {
    throw refusal(section, `${certificateFile} and ${keyFile} are no certificate (PEM) with its key: ${(error as Error).message}.`, error);
  }
  return files;
}

/** Throws INVALID_REQUEST when the file cannot be used. OpenSSL passes over what is no certificate, half of a file too, and would then take nobody for whom they are. */
export function readAuthorities(section: string, { field, file, signsFor }: NonNullable<TlsFileNames["authority"]>): Buffer {
  const bytes = readFile(`${section}.${field}`, file);
  const text = bytes.toString("latin1");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const isWhole = blocks.length > 0 && blocks.length === text.split("-----BEGIN CERTIFICATE-----").length - 1;
  if (!isWhole || !blocks.every(isCertificate)) throw refusal(`${section}.${field}`, `${file} does not hold whole certificates (PEM), and nothing that is none. Put those there of the authorities that sign the certificates of ${signsFor}.`);
  return bytes;
}

function isCertificate(block: string): boolean {
  try {
    return new X509Certificate(block).raw.length > 0;
  } catch {
    return false;
  }
}

function readFile(field: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw refusal(field, `${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`, error);
  }
}

function refusal(field: string, description: string, cause?: unknown): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${field}: ${description}`, { cause, fieldViolations: [{ field, description }] });
}
