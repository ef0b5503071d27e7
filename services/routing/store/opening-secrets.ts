/** Owns the secrets that open the grant of a key, the present one and the one before it, and until when each does. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { secretMarkOf } from "#platform/secrets/access-token.ts";
import { textOf } from "./secret-digests.ts";

interface OpeningSecret {
  readonly digest: string;
  readonly endMs: number;
  readonly opens: Grant;
}

export function secretsOf(grant: Grant): OpeningSecret[] {
  const { secretDigest, previousSecretDigest, expireTime, previousSecretExpireTime } = grant;
  // Of a caller for whom others vouch.
  if (secretDigest.length === 0) return [];
  const present = { digest: textOf(secretDigest), endMs: endOf(expireTime), opens: grant };
  if (previousSecretDigest.length === 0) return [present];
  // A token that is made with it ends with it, too.
  const opens: Grant = previousSecretExpireTime === undefined ? grant : { ...grant, credentialExpireTime: previousSecretExpireTime };
  return [present, { digest: textOf(previousSecretDigest), endMs: Math.min(present.endMs, endOf(previousSecretExpireTime)), opens }];
}

/** When the secret ends of which a token bears the mark; undefined where the key has no such secret. */
export function endOfMarkedSecret(mark: Uint8Array, { secretDigest, previousSecretDigest, previousSecretExpireTime }: Grant): number | undefined {
  const isOf = (digest: Uint8Array): boolean => textOf(secretMarkOf(digest)) === textOf(mark);
  // Of a caller for whom others vouch, and of tokens from before there were marks.
  if (mark.length === 0 || isOf(secretDigest)) return Infinity;
  return isOf(previousSecretDigest) ? endOf(previousSecretExpireTime) : undefined;
}

export function endOf(time: Timestamp | undefined): number {
  return time === undefined ? Infinity : timestampMs(time);
}
