/** Owns CreateKey. */
import { create } from "@bufbuild/protobuf";
import { Consistency, CreateKeyRequestSchema, CreateKeyResponseSchema, type CreateKeyRequest, type CreateKeyResponse } from "#gen/weir/policy/v1/key_pb.ts";
import type { Member } from "#gen/weir/policy/v1/member_pb.ts";
import { Role } from "#gen/weir/policy/v1/role_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { newId } from "#platform/ids.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import { checkWithin } from "../../domain/entitlement.ts";
import { checkExpireTime, checkLabels, checkScope, readName } from "../../domain/names.ts";
import { changeableBy } from "../../domain/reach.ts";
import { inputOf } from "../../domain/request-input.ts";
import { factsOf } from "../../domain/roles.ts";
import { newKeySecret, storedForm } from "../../key-secrets.ts";
import { claimRequest } from "../../store/answered-requests.ts";
import { findKey, insertKey } from "../../store/keys.ts";
import { lockMember } from "../../store/members.ts";
import { findTeam } from "../../store/teams.ts";

export async function createKey(request: CreateKeyRequest, { identity }: CallContext, { database, pepper, clock }: PolicyDependencies): Promise<CreateKeyResponse> {
  const { requestId, scope, labels, expireTime } = request;
  const name = readName(request.name);
  checkScope(scope);
  checkLabels(labels);
  checkExpireTime(expireTime, clock.now());

  const id = newId("key", clock);
  const secret = newKeySecret();
  return database.transaction(async (transaction) => {
    const answeredId = await claimRequest(transaction, { method: "CreateKey", identity, requestId, input: inputOf(CreateKeyRequestSchema, request), resultId: id });
    if (answeredId !== undefined) return create(CreateKeyResponseSchema, { key: await findKey(transaction, answeredId) });
    const { id: teamId, organizationId } = await findTeam(transaction, request.teamId, changeableBy(identity));
    const member = request.memberId === "" ? undefined : await lockMember(transaction, request.memberId, { organizationId, teamId });
    const role = roleFor(request, member);
    checkWithin({ ...factsOf(role), scopes: scope === undefined ? [] : [scope], expireTime }, identity);
    await insertKey(transaction, { id, organizationId, teamId, memberId: member?.id, name, ...storedForm(secret, pepper), role, scope, labels, createTime: new Date(clock.now()), expireTime, consistency: request.consistency || Consistency.STALE_OK });
    return create(CreateKeyResponseSchema, { key: await findKey(transaction, id), secret: secret.reveal() });
  });
}

function roleFor({ role }: CreateKeyRequest, member: Member | undefined): Role {
  if (member === undefined) return role === Role.UNSPECIFIED ? Role.INFERENCE : role;
  if (role === Role.UNSPECIFIED) return member.role;
  const description = "A member's key has the member's role.";
  throw new GatewayError("INVALID_REQUEST", `${description} Leave \`role\` out.`, { fieldViolations: [{ field: "role", description }] });
}
