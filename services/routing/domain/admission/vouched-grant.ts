/** Owns what the key of a caller is good for who comes by what others, or a session, say of it. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Grant, VouchedCaller } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { OpenGrant } from "./admit.ts";

/** The key's grant as it opens to this caller. */
export function openedBy({ permissions, reach, labels, expireTime }: VouchedCaller, grant: Grant): OpenGrant {
  const keyEndMs = grant.expireTime === undefined ? Infinity : timestampMs(grant.expireTime);
  const opened: Grant = { ...grant, permissions, reach, labels: { ...labels, ...grant.labels }, credentialExpireTime: expireTime! };
  return { grant: opened, endMs: Math.min(keyEndMs, timestampMs(expireTime!)) };
}
