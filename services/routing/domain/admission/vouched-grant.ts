/** Owns the grant of a caller who shows no key: whom an issuer's token, a certificate or a session at the console vouches for gets the grant of a key, with the permissions and the end that come with the voucher. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Grant, VouchedCaller } from "#gen/weir/policy/v1/grant_pb.ts";
import type { OpenGrant } from "./admit.ts";

/** The key's grant as it opens to this caller. */
export function openedBy({ permissions, reach, labels, expireTime }: VouchedCaller, grant: Grant): OpenGrant {
  const keyEndMs = grant.expireTime === undefined ? Infinity : timestampMs(grant.expireTime);
  const opened: Grant = { ...grant, permissions, reach, labels: { ...labels, ...grant.labels }, credentialExpireTime: expireTime! };
  return { grant: opened, endMs: Math.min(keyEndMs, timestampMs(expireTime!)) };
}
