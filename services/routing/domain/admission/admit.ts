/** Owns admission: who is this, and may they do that. */
import type { DescMethod } from "@bufbuild/protobuf";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { Consistency } from "#gen/weir/policy/v1/key_pb.ts";
import type { Scope } from "#gen/weir/policy/v1/scope_pb.ts";
import { isToken } from "#platform/secrets/access-token.ts";
import { GatewayError } from "#platform/errors.ts";
import { isIdentityToken } from "#platform/secrets/identity-token.ts";
import { isListed, rangeList } from "#platform/http/ip-range.ts";
import { isKeySecret } from "#platform/secrets/key-secret.ts";
import { checkPermission, ruleOf } from "#platform/rpc/method-guard.ts";
import { scopeOperationOf } from "#platform/rpc/scope-operation.ts";
import { recordWait, type Span } from "#platform/tracing/span.ts";
import type { ClientCertificate } from "#platform/http/listener-tls.ts";
import type { CallNotes } from "../records/call-notes.ts";
import type { Plan } from "../targets/plan.ts";

/** What a caller comes with: a key or a token as text, the certificate of its connection, or the session of its browser. */
export type Credential = string | ClientCertificate | SessionSecret;

/** The secret of a session at the console: never text, so that it counts where a cookie does and in no header. */
export interface SessionSecret {
  readonly sessionSecret: string;
}

/** What a door knows of a caller. */
export interface Caller {
  /** Undefined when there was none. */
  readonly credential: Credential | undefined;
  /** Why the certificate of its connection counts as none; absent where there was none. */
  readonly passedOver?: string | undefined;
  /** The IP address it calls from. */
  readonly address: string;
  /** The origin of the web page it calls from; undefined when it is no web page. */
  readonly origin: string | undefined;
  /** What it calls over, the same for call after call; absent where that is nothing of the kind. */
  readonly connection?: object;
  /** Its request, where it is recorded. */
  readonly span?: Span | undefined;
  /** Where it is noted who calls, also where they are not let in; absent where nothing is. */
  readonly notes?: CallNotes | undefined;
}

/** A grant as one secret of its key opens it, or a token. */
export interface OpenGrant {
  readonly grant: Grant;
  /** When the key, or this secret or token of it, ends, in milliseconds since 1970; Infinity for never. */
  readonly endMs: number;
}

/** Where grants are found. */
export interface GrantSource {
  /** The grant of a secret, a token or a certificate, in the view that policy pushes. */
  find(credential: Credential, connection?: object): OpenGrant | undefined;
  /** The grant as policy knows it, for a key that is not in the view yet. Throws KEY_INVALID, TOKEN_INVALID, TOKEN_EXPIRED, SESSION_INVALID or CALLER_NOT_ALLOWED when there is none. */
  resolve(credential: Credential): Promise<OpenGrant>;
  /** How old what is known of grants may be by now, in milliseconds; 0 where policy does not say. */
  readonly ageMs: number;
  /** Resolves when policy is heard of next, at the latest after so long. */
  heardWithin(waitMs: number): Promise<void>;
  /** Tells when the key's grant is withdrawn, at once where it is already, until the returned function is called. */
  watch(keyId: string, onWithdrawn: OnWithdrawn): () => void;
}

export type OnWithdrawn = (withdrawal: GatewayError) => void;

/** The grant by which the caller comes in. Throws KEY_MISSING, KEY_INVALID, TOKEN_INVALID, SESSION_INVALID, CALLER_NOT_ALLOWED, KEY_REVOKED, KEY_SUSPENDED, KEY_EXPIRED, or what the scopes say against it. */
export async function authenticate(caller: Caller, grants: GrantSource, nowMs: number): Promise<Grant> {
  const { credential, connection, notes } = caller;
  if (credential === undefined) throw keyMissing(caller);
  const open = grants.find(credential, connection) ?? (await recordWait(caller.span, "resolve the caller", resolveUnknown(credential, grants)));
  if (notes !== undefined) notes.grant = open.grant;
  if (withdrawalOf(open.grant) === undefined && isOutOfContact(open.grant, grants)) {
    await requireContact(grants);
    // What was heard then may be that the key has changed.
    return authenticate(caller, grants, nowMs);
  }
  return letIn(caller, open, grants, nowMs);
}

function keyMissing({ passedOver }: Caller): GatewayError {
  const advice = "Send `Authorization: Bearer weir_…`; `weir keys create` makes one.";
  if (passedOver === undefined) return new GatewayError("KEY_MISSING", `The call carries no key. ${advice}`);
  return new GatewayError("KEY_MISSING", `The call carries no key, and the client certificate of its connection counts as none (${passedOver}). Connect with one that is good and of an authority in listen.tls.client_authority_file, or with a key: ${advice}`);
}

/** What of the grant speaks against the caller, once it is found; throws as `authenticate` does. */
export async function letIn(caller: Caller, { grant, endMs }: OpenGrant, grants: Pick<GrantSource, "ageMs" | "heardWithin">, nowMs: number): Promise<Grant> {
  const withdrawal = withdrawalOf(grant);
  if (withdrawal !== undefined) throw withdrawal;
  if (isOutOfContact(grant, grants)) await requireContact(grants);
  if (endMs <= nowMs) throw expired(caller.credential ?? "", endMs);
  for (const scope of grant.scopes) checkPlace(caller, scope);
  return grant;
}

/** What is known of a strict key decides for this long. */
const strictWithinMs = 1_000;

/** What policy has sent meanwhile may still lie unread, where this process itself was held up. */
const contactWaitMs = 20;

function isOutOfContact({ consistency }: Grant, { ageMs }: Pick<GrantSource, "ageMs">): boolean {
  return ageMs > strictWithinMs && consistency === Consistency.STRICT;
}

/** Throws DEPENDENCY_UNAVAILABLE. */
async function requireContact(grants: Pick<GrantSource, "ageMs" | "heardWithin">): Promise<void> {
  await grants.heardWithin(contactWaitMs);
  if (grants.ageMs <= strictWithinMs) return;
  const message = "Policy, or its database, is out of reach, and this key is strict: it is decided on only by what is known to hold now. Try again soon; a key that is to go on by what was known last has `consistency` STALE_OK.";
  throw new GatewayError("DEPENDENCY_UNAVAILABLE", message, { metadata: { dependency: "policy" }, retryAfterMs: strictWithinMs });
}

/** Why the grant is good for nothing any more, calls that run included; undefined while it is. */
export function withdrawalOf({ revoked, suspended }: Grant): GatewayError | undefined {
  if (revoked) return new GatewayError("KEY_REVOKED", "The key was revoked. Ask your operator for a new one.");
  if (suspended) return new GatewayError("KEY_SUSPENDED", "The team or the organization of this key is suspended. Ask its owner, or whoever runs this installation.");
  return undefined;
}

async function resolveUnknown(credential: Credential, grants: GrantSource): Promise<OpenGrant> {
  // Junk dies here and never reaches policy or its database.
  if (typeof credential !== "string" || isKeySecret(credential) || isToken(credential) || isIdentityToken(credential)) return await grants.resolve(credential);
  throw new GatewayError("KEY_INVALID", "The key is malformed: check that it was copied whole. Weir's keys begin with `weir_`.");
}

export function isSession(credential: Credential): credential is SessionSecret {
  return typeof credential === "object" && "sessionSecret" in credential;
}

function expired(credential: Credential, endMs: number): GatewayError {
  const expireTime = new Date(endMs).toISOString();
  if (isSession(credential)) return new GatewayError("SESSION_INVALID", `The session, or its key, ended at ${expireTime}. Sign in again.`, { metadata: { expire_time: expireTime } });
  if (typeof credential !== "string") return new GatewayError("KEY_EXPIRED", `The client certificate, or the key of its caller, ended at ${expireTime}. Connect with a new one.`, { metadata: { expire_time: expireTime } });
  if (isToken(credential)) return new GatewayError("TOKEN_EXPIRED", `The token ended at ${expireTime}. Have a new one made, by CreateToken.`, { metadata: { expire_time: expireTime } });
  if (isIdentityToken(credential)) return new GatewayError("TOKEN_EXPIRED", `The token ended at ${expireTime}. Get a new one from its issuer.`, { metadata: { expire_time: expireTime } });
  return new GatewayError("KEY_EXPIRED", `The key, or this secret of it, ended at ${expireTime}. If it was rotated, use its new secret; else ask your operator for a new key.`, { metadata: { expire_time: expireTime } });
}

function checkPlace({ address, origin }: Caller, scope: Scope): void {
  if (scope.ipRanges.length > 0 && !isListed(rangesOf(scope), address)) {
    throw new GatewayError("ADDRESS_NOT_ALLOWED", `This key may not be used from ${address}: it is bound to ranges of IP addresses. Call from one of them, or have \`scope.ip_ranges\` of the key changed.`, { metadata: { address } });
  }
  if (scope.origins.length > 0 && !scope.origins.includes(origin ?? "")) {
    const from = origin === undefined ? "outside of a web page" : `web pages of ${origin.slice(0, 200)}`;
    throw new GatewayError("ORIGIN_NOT_ALLOWED", `This key may not be used from ${from}: it is bound to the web pages of some origins. Call from one of them, or have \`scope.origins\` of the key changed.`, { metadata: { origin: origin?.slice(0, 200) ?? "" } });
  }
}

function rangesOf(scope: Scope): ReturnType<typeof rangeList> {
  let list = rangeLists.get(scope);
  if (list === undefined) {
    list = rangeList(scope.ipRanges);
    rangeLists.set(scope, list);
  }
  return list;
}

// Every request asks, and a scope never changes: a changed key has a new one.
const rangeLists = new WeakMap<Scope, ReturnType<typeof rangeList>>();

/** Throws PERMISSION_DENIED or OPERATION_NOT_ALLOWED when the grant does not allow the method. */
export function authorizeMethod(method: DescMethod, grant: Grant): void {
  checkPermission(method, ruleOf(method), { kind: "caller", grant });
  if (method.parent.typeName !== InferenceService.typeName) return;
  const operation = scopeOperationOf(method.name);
  if (grant.scopes.every(({ operations }) => operations.length === 0 || operations.includes(operation))) return;
  throw new GatewayError("OPERATION_NOT_ALLOWED", `This key may not be used for ${operation}. Use a key that may, or have \`scope.operations\` of this one changed.`, { metadata: { operation } });
}

/** The plan without the targets that the grant does not allow. Throws MODEL_NOT_ALLOWED or PROVIDER_NOT_ALLOWED when nothing is left. */
export function authorizePlan(model: string, plan: Plan, grant: Grant): Plan {
  const shown = model.slice(0, 100);
  const isNamed = mayUseModel(model, grant) || (plan.route === "" && plan.targets.every((target) => mayUseModel(target.name, grant)));
  if (!isNamed) throw new GatewayError("MODEL_NOT_ALLOWED", `This key may not use "${shown}". GET /v1/models lists what it may use.`, { metadata: { model: shown } });
  const targets = plan.targets.filter(({ provider }) => mayReach(provider.name, grant));
  if (targets.length > 0) return { ...plan, targets };
  const providers = [...new Set(plan.targets.map(({ provider }) => provider.name))].join(", ");
  throw new GatewayError("PROVIDER_NOT_ALLOWED", `This key may not reach the provider of "${shown}" (${providers}). GET /v1/models lists what it may use.`, { metadata: { model: shown, providers } });
}

/** Whether the grant names the route, the `provider/model`, or its `provider/*`. */
export function mayUseModel(model: string, { scopes }: Grant): boolean {
  return scopes.every(({ models }) => models.length === 0 || models.includes(model) || models.includes(`${providerOf(model)}/*`));
}

/** Whether calls may go to the provider. */
export function mayReach(provider: string, { scopes }: Grant): boolean {
  return scopes.every(({ providers }) => providers.length === 0 || providers.includes(provider));
}

/** Of `provider/model`; of a route's name it is empty. */
export function providerOf(model: string): string {
  return model.slice(0, Math.max(0, model.indexOf("/")));
}
