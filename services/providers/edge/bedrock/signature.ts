/** Owns how Bedrock is shown who calls: by an API key, or by AWS's Signature Version 4 of each request. */
import aws4 from "aws4";
import type { Secret } from "#platform/secrets/secret.ts";
import type { SignableRequest } from "../../domain/adapter.ts";

const defaultRegion = "us-east-1";

/**
 * An API key goes along as it is: https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html.
 * An access key never does, it signs.
 */
export function authorize(credential: Secret): Record<string, string> {
  return readAccessKey(credential) === undefined ? { authorization: `Bearer ${credential.reveal()}` } : {};
}

/** The headers that carry the signature; none for an API key. */
export function sign({ method, host, path, headers, body }: SignableRequest, credential: Secret, nowMs: number): Record<string, string> {
  const accessKey = readAccessKey(credential);
  if (accessKey === undefined) return {};
  const date = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const token = accessKey.sessionToken === "" ? {} : { "x-amz-security-token": accessKey.sessionToken };
  const signed = aws4.sign(
    {
      service: "bedrock",
      region: regionOf(host),
      method,
      host,
      path,
      headers: { ...headers, "x-amz-date": date, ...token },
      body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    },
    accessKey,
  );
  return { "x-amz-date": date, ...token, authorization: String(signed.headers?.["Authorization"]) };
}

/** Such as `eu-central-1` of `bedrock-runtime.eu-central-1.amazonaws.com`, also with `-fips` and behind a VPC endpoint's own name. */
function regionOf(host: string): string {
  return /(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\./.exec(host)?.[1] ?? defaultRegion;
}

/** `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`; none of the three holds a colon, and no API key does. */
function readAccessKey(credential: Secret): { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken: string } | undefined {
  const [accessKeyId = "", secretAccessKey, sessionToken = ""] = credential.reveal().split(":");
  return secretAccessKey === undefined ? undefined : { accessKeyId, secretAccessKey, sessionToken };
}
