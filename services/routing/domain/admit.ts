/** Owns admission: who is this, and may they do that. */
import type { DescMethod } from "@bufbuild/protobuf";
import type { Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { isKeySecret } from "#platform/key-secret.ts";
import { checkPermission, ruleOf } from "#platform/method-guard.ts";
import type { Plan } from "./plan.ts";

/** Where grants are found. */
export interface GrantSource {
  /** The grant of a secret in the view that policy pushes. */
  find(secret: string): Grant | undefined;
  /** The grant as policy knows it, for a key that is not in the view yet. Throws KEY_INVALID when there is none. */
  resolve(secret: string): Promise<Grant>;
}

/** The grant of the key that the caller sent. Throws KEY_MISSING, KEY_INVALID or KEY_REVOKED. */
export async function authenticate(secret: string | undefined, grants: GrantSource): Promise<Grant> {
  if (secret === undefined || secret === "") {
    throw new GatewayError("KEY_MISSING", "The call carries no key. Send `Authorization: Bearer weir_…`; `weir keys create` makes one.");
  }
  const grant = grants.find(secret) ?? (await resolveUnknown(secret, grants));
  if (grant.revoked) throw new GatewayError("KEY_REVOKED", "The key was revoked. Ask your operator for a new one.");
  return grant;
}

async function resolveUnknown(secret: string, grants: GrantSource): Promise<Grant> {
  // Junk dies here and never reaches policy or its database.
  if (isKeySecret(secret)) return await grants.resolve(secret);
  throw new GatewayError("KEY_INVALID", "The key is malformed: check that it was copied whole. Weir's keys begin with `weir_`.");
}

/** Throws PERMISSION_DENIED when the grant does not allow the method. */
export function authorizeMethod(method: DescMethod, grant: Grant): void {
  checkPermission(method, ruleOf(method), { kind: "caller", grant });
}

/** Throws MODEL_NOT_ALLOWED when the grant names neither the model as it was asked for nor the target it stands for. */
export function authorizePlan(model: string, plan: Plan, grant: Grant): void {
  if (mayUseModel(model, grant)) return;
  if (plan.route === "" && plan.targets.every((target) => mayUseModel(target.name, grant))) return;
  const shown = model.slice(0, 100);
  throw new GatewayError("MODEL_NOT_ALLOWED", `This key may not use "${shown}". GET /v1/models lists what it may use.`, { metadata: { model: shown } });
}

/** Whether the grant names the route, the `provider/model`, or its `provider/*`. */
export function mayUseModel(model: string, { allowedModels }: Grant): boolean {
  if (allowedModels.length === 0) return true;
  const slash = model.indexOf("/");
  return allowedModels.includes(model) || (slash > 0 && allowedModels.includes(`${model.slice(0, slash)}/*`));
}
