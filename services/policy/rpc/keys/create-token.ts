/** Owns CreateToken. */
import { create } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { CreateTokenResponseSchema, type CreateTokenRequest, type CreateTokenResponse } from "#gen/weir/policy/v1/token_pb.ts";
import { TokenClaimsSchema } from "#gen/weir/policy/v1/token_pb.ts";
import { longestToken, secretMarkOf, signToken } from "#platform/secrets/access-token.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkLabels, checkScope } from "../../domain/names.ts";

const defaultLifetimeMs = 5 * 60_000;

export async function createToken({ lifetime, scope, labels }: CreateTokenRequest, { identity }: CallContext, { pepper, clock }: PolicyDependencies): Promise<CreateTokenResponse> {
  if (identity.kind === "service") throw new GatewayError("PERMISSION_DENIED", "A token is of a key: call with one.");
  checkScope(scope);
  checkLabels(labels);
  const { keyId, secretDigest, expireTime: keyExpireTime, credentialExpireTime } = identity.grant;
  // What others say of the caller stands in no key, so that the token itself must say it on.
  const vouchedLabels = credentialExpireTime === undefined ? {} : identity.grant.labels;
  const ends = [keyExpireTime, credentialExpireTime].map((end) => (end === undefined ? Infinity : timestampMs(end)));
  const expireTime = timestampFromMs(Math.min(...ends, clock.now() + (lifetime === undefined ? defaultLifetimeMs : durationMs(lifetime))));
  const token = signToken(create(TokenClaimsSchema, { keyId, expireTime, labels: { ...labels, ...vouchedLabels }, secretMark: secretMarkOf(secretDigest), ...(scope && { scope }) }), pepper).reveal();
  if (token.length > longestToken) {
    throw new GatewayError("INVALID_REQUEST", `The token would have ${token.length} characters, more than the ${longestToken} that it may have. Bound it to fewer things, or give it fewer labels.`);
  }
  return create(CreateTokenResponseSchema, { token, expireTime });
}
