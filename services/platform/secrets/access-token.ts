/** Owns the form of tokens: what they say, readable, with a signature under the installation's pepper. */
import { createHmac, timingSafeEqual, type KeyObject } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { TokenClaimsSchema, type TokenClaims } from "#gen/weir/policy/v1/token_pb.ts";
import { Secret } from "./secret.ts";

/** In characters: a token goes in a header, and headers have a bound. */
export const longestToken = 4_096;

const marker = "weirt_";
// A secret begins with `weir_`, so that nothing signed here is ever the digest of one.
const signedFor = "weir token 1\0";
const form = /^weirt_([\w-]+)\.([\w-]{43})$/;

/** `weirt_`, the claims, and HMAC-SHA256 over them, both in base64url. */
export function signToken(claims: TokenClaims, pepper: KeyObject): Secret {
  const payload = Buffer.from(toBinary(TokenClaimsSchema, claims));
  return new Secret(`${marker}${payload.toString("base64url")}.${signatureOf(payload, pepper).toString("base64url")}`);
}

/** Whether this means to be a token; whether it is one, only `readToken` says. */
export function isToken(credential: string): boolean {
  return credential.startsWith(marker);
}

/** What the token says; undefined when it was not signed under this pepper. */
export function readToken(credential: string, pepper: KeyObject): TokenClaims | undefined {
  if (credential.length > longestToken) return undefined;
  const [, payload = "", signature = ""] = form.exec(credential) ?? [];
  const bytes = Buffer.from(payload, "base64url");
  const presented = Buffer.from(signature, "base64url");
  const expected = signatureOf(bytes, pepper);
  if (presented.length !== expected.length || !timingSafeEqual(presented, expected)) return undefined;
  return fromBinary(TokenClaimsSchema, bytes);
}

/** Enough of a digest to tell the few secrets of one key apart; empty of an empty one. */
export function secretMarkOf(secretDigest: Uint8Array): Uint8Array {
  return secretDigest.subarray(0, 8);
}

function signatureOf(payload: Buffer, pepper: KeyObject): Buffer {
  return createHmac("sha256", pepper).update(signedFor).update(payload).digest();
}
