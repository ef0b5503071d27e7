/**
 * Owns Signature Version 4 for the tests, as AWS verifies it, written from
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and apart from what Weir signs with.
 */
import { createHash, createHmac } from "node:crypto";

export interface ReceivedRequest {
  readonly method: string;
  /** As it stood in the request line. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Uint8Array;
}

/** The `authorization` header that a request with these headers must have, whatever it has. */
export function expectedAuthorization(request: ReceivedRequest, accessKeyId: string, secretAccessKey: string, region: string, service: string, signedHeaders: readonly string[]): string {
  const date = String(request.headers["x-amz-date"]);
  const scope = `${date.slice(0, 8)}/${region}/${service}/aws4_request`;
  const canonicalRequest = [
    request.method,
    // Each segment is encoded once more than it was sent.
    request.path.split("/").map(encode).join("/"),
    "",
    ...signedHeaders.map((name) => `${name}:${String(request.headers[name]).trim().replace(/ +/g, " ")}`),
    "",
    signedHeaders.join(";"),
    sha256(request.body),
  ].join("\n");
  const stringToSign = ["AWS4-HMAC-SHA256", date, scope, sha256(canonicalRequest)].join("\n");
  const key = [date.slice(0, 8), region, service, "aws4_request"].reduce<Buffer | string>((secret, part) => hmac(secret, part), `AWS4${secretAccessKey}`);
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders.join(";")}, Signature=${hmac(key, stringToSign).toString("hex")}`;
}

/** The names that a signature says it covers. */
export function signedHeadersOf(authorization: string): string[] {
  return /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(";") ?? [];
}

function encode(text: string): string {
  return [...Buffer.from(text)].map((byte) => (/[A-Za-z0-9\-._~]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`)).join("");
}

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
