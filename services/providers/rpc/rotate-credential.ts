/** Owns RotateCredential. */
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { RotateCredentialResponseSchema, type RotateCredentialRequest, type RotateCredentialResponse } from "#gen/weir/providers/v1/credential_pb.ts";
import { findOwner, notFound, replaceSecret } from "../store/credentials.ts";
import { readSecret, type CredentialParts } from "./credential-parts.ts";

const defaultOverlapMs = 24 * 3_600_000;

export async function rotateCredential(request: RotateCredentialRequest, { stored, clock }: CredentialParts): Promise<RotateCredentialResponse> {
  const { credentialId, overlap, requestId } = request;
  const secret = readSecret(request.secret);
  const formerExpireTime = new Date(clock.now() + (overlap === undefined ? defaultOverlapMs : durationMs(overlap)));
  const database = await stored.database();
  const organizationId = await findOwner(database, credentialId, request.organizationId);
  if (organizationId === undefined) throw notFound(credentialId);
  const credential = await database.transaction(async (transaction) => {
    const sealed = await stored.seal(transaction, secret, { credentialId, organizationId });
    return replaceSecret(transaction, credentialId, { ...sealed, formerExpireTime, requestId });
  });
  return create(RotateCredentialResponseSchema, { credential });
}
