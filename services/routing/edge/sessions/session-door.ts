/** Owns how people sign in to the console and out of it: by a key, or at an issuer, over the paths below. */
import { create } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { RoleSchema } from "#gen/weir/policy/v1/role_pb.ts";
import { BeginSignInRequestSchema, CreateSessionRequestSchema, DeleteSessionRequestSchema, FinishSignInRequestSchema, type CreateSessionRequest, type Session } from "#gen/weir/policy/v1/session_pb.ts";
import { PermissionSchema } from "#gen/weir/types/v1/method_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import { isKeySecret } from "#platform/secrets/key-secret.ts";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";
import type { CallContext, ServiceInterface } from "#platform/rpc/service-types.ts";
import type { ConsoleSettings } from "../../config.ts";
import { letIn, type Credential, type GrantSource, type OpenGrant, type SessionSecret } from "../../domain/admission/admit.ts";
import { AttemptBound } from "../../domain/admission/attempt-bound.ts";
import { audited, type AuditTrail } from "../../domain/records/audit.ts";
import { openedBy } from "../../domain/admission/vouched-grant.ts";
import { isForeign } from "../browsers/foreign-page.ts";
import { discardRest, readBody } from "../read-body.ts";
import type { RequestScope } from "../request-scope.ts";
import { readCookie, sessionCookie, sessionOf, signInCookie, writeCookie } from "./cookies.ts";

export interface SessionDoorDependencies {
  readonly policy: Pick<ServiceInterface<typeof PolicyService>, "beginSignIn" | "finishSignIn" | "createSession" | "deleteSession">;
  readonly grants: GrantSource & {
    openSession(secret: string): Promise<PresentSession>;
    secretDigestOf(secret: string): Uint8Array;
  };
  readonly addressOf: (request: HttpRequest) => string;
  readonly settings: () => ConsoleSettings;
  readonly audit: AuditTrail;
  readonly clock: Clock;
}

interface PresentSession extends OpenGrant {
  readonly session: Session;
}

/** Answers a request for one of the paths; resolves when that is done. Never throws: failures are answered. */
export type SessionDoor = (request: HttpRequest, response: HttpResponse, scope: RequestScope) => Promise<void>;

/** A request, and what it takes to answer it. */
interface Visit {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly scope: RequestScope;
  readonly query: string;
  readonly settings: ConsoleSettings;
  readonly door: Door;
}

interface Door extends SessionDoorDependencies {
  readonly attempts: AttemptBound;
}

interface Step {
  /** For metrics and logs. */
  readonly name: string;
  readonly take: (visit: Visit) => Promise<void>;
  /** Where a person, and not the page's program, sees what went wrong. */
  readonly isForPeople?: boolean;
}

/** By method and path. */
const steps: Readonly<Record<string, Step>> = {
  "GET /console/session": { name: "showSession", take: showSession },
  "POST /console/session": { name: "signInByKey", take: signInByKey },
  "DELETE /console/session": { name: "signOut", take: signOut },
  "GET /console/sign-in": { name: "beginSignIn", take: beginSignIn, isForPeople: true },
  "GET /console/callback": { name: "finishSignIn", take: finishSignIn, isForPeople: true },
};

/** For those who list all doors. */
export const sessionDoors: readonly string[] = Object.keys(steps);

const paths: ReadonlySet<string> = new Set(sessionDoors.map((door) => door.split(" ")[1]!));

/** Of one address in a minute, by whatever way. Nobody guesses a key; this bounds what trying costs. */
const mostAttempts = 30;
const maximumBodyBytes = 4_096;
/** What is to be in a cookie until the person is back, encrypted; browsers keep none of more than 4,096 bytes. */
const longestReturnPath = 1_024;

export function isSessionPath(path: string): boolean {
  // Every request asks.
  return path.startsWith("/console/") && paths.has(path.split("?", 1)[0]!);
}

export function createSessionDoor(dependencies: SessionDoorDependencies): SessionDoor {
  const door: Door = { ...dependencies, attempts: new AttemptBound(dependencies.clock, mostAttempts) };
  return async (request, response, scope) => {
    const { pathname, search } = new URL(request.url ?? "/", "http://weir.invalid");
    const step = steps[`${request.method} ${pathname}`];
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-request-id", scope.requestId);
    try {
      if (step === undefined) throw new GatewayError("METHOD_NOT_FOUND", `There is no ${request.method} ${pathname}. There are ${sessionDoors.join(", ")}.`);
      scope.operation = step.name;
      scope.address = door.addressOf(request);
      await step.take({ request, response, scope, query: search.slice(1), settings: door.settings(), door });
      scope.end();
    } catch (thrown) {
      answerFailure(request, response, scope.end(thrown)!, step?.isForPeople === true);
    }
  };
}

async function showSession(visit: Visit): Promise<void> {
  const { request, response, settings } = visit;
  const credential = sessionOf(request, settings.origin);
  const present = credential && (await presentSession(visit, credential).catch(nothingIfOver));
  if (credential !== undefined && present === undefined) writeCookie(request, response, sessionCookie, undefined, settings.origin);
  answerSession(visit, present);
}

async function presentSession(visit: Visit, credential: SessionSecret): Promise<PresentSession> {
  const found = await visit.door.grants.openSession(credential.sessionSecret);
  await checkIn(visit, credential, found);
  return found;
}

async function signInByKey(visit: Visit): Promise<void> {
  const { request, scope, door } = visit;
  refuseForeign(visit);
  door.attempts.count(scope.address);
  const key = await readKey(request);
  const found = door.grants.find(key) ?? (await door.grants.resolve(key));
  const session = await openSession(visit, key, found, { case: "secretDigest", value: door.grants.secretDigestOf(key) });
  answerSession(visit, { ...found, session });
}

async function beginSignIn(visit: Visit): Promise<void> {
  const { request, response, scope, query, settings, door } = visit;
  door.attempts.count(scope.address);
  const returnPath = consolePathOf(new URLSearchParams(query).get("return"));
  const { authorizationUrl, pendingSignIn } = await door.policy.beginSignIn(create(BeginSignInRequestSchema, { returnPath }), contextOf(scope));
  writeCookie(request, response, signInCookie, pendingSignIn, settings.origin);
  redirect(response, authorizationUrl);
}

async function finishSignIn(visit: Visit): Promise<void> {
  const { request, response, scope, query, settings, door } = visit;
  door.attempts.count(scope.address);
  const pendingSignIn = readCookie(request, signInCookie, settings.origin) ?? "";
  writeCookie(request, response, signInCookie, undefined, settings.origin);
  const { identityToken, grant, caller, returnPath } = await door.policy.finishSignIn(create(FinishSignInRequestSchema, { pendingSignIn, query }), contextOf(scope));
  await openSession(visit, identityToken, openedBy(caller!, grant!), { case: "identityToken", value: identityToken });
  redirect(response, returnPath);
}

async function signOut(visit: Visit): Promise<void> {
  refuseForeign(visit);
  const { request, response, settings } = visit;
  await endPresentSession(visit);
  writeCookie(request, response, sessionCookie, undefined, settings.origin);
  response.writeHead(204).end();
}

/** A new session, whose secret no one but this answer has, in place of the one that the browser had. */
async function openSession(visit: Visit, credential: Credential, found: OpenGrant, opener: CreateSessionRequest["credential"]): Promise<Session> {
  const { request, response, scope, settings, door } = visit;
  const asked = create(CreateSessionRequestSchema, { credential: opener });
  const call = { method: PolicyService.method.createSession, request: asked, grant: found.grant, address: scope.address, requestId: scope.requestId };
  const { session, secret } = await audited(call, door.audit, async () => {
    await checkIn(visit, credential, found);
    return door.policy.createSession(asked, contextOf(scope));
  });
  await endPresentSession(visit);
  writeCookie(request, response, sessionCookie, secret, settings.origin);
  return session!;
}

async function endPresentSession({ request, scope, settings, door }: Visit): Promise<void> {
  const credential = sessionOf(request, settings.origin);
  const found = credential && (await door.grants.openSession(credential.sessionSecret).catch(nothingIfOver));
  if (found === undefined) return;
  const asked = create(DeleteSessionRequestSchema, { sessionId: found.session.id });
  const call = { method: PolicyService.method.deleteSession, request: asked, grant: found.grant, address: scope.address, requestId: scope.requestId };
  await audited(call, door.audit, () => door.policy.deleteSession(asked, contextOf(scope)));
}

/** Whatever speaks against the session, the person has none; unless that cannot be known. */
function nothingIfOver(thrown: unknown): undefined {
  const error = toGatewayError(thrown);
  if (error.httpStatus >= 500) throw error;
}

/** Throws what speaks against the key or the place from which it is used. */
async function checkIn({ request, scope, door: { grants, clock } }: Visit, credential: Credential, found: OpenGrant): Promise<void> {
  await letIn({ credential, address: scope.address, origin: request.headers.origin }, found, grants, clock.now());
}

function refuseForeign({ request, settings }: Visit): void {
  if (!isForeign(request, settings.origin)) return;
  throw new GatewayError("ORIGIN_NOT_ALLOWED", "The console is signed in to and out of from its own page alone. Open it, and sign in there; behind a proxy that changes `Host`, set `console.origin`.");
}

async function readKey(request: HttpRequest): Promise<string> {
  // What a form of another page can send is none of this type.
  if (!/^application\/json *(;|$)/i.test(request.headers["content-type"] ?? "")) throw new GatewayError("INVALID_REQUEST", 'Send the key as application/json: {"key": "weir_…"}.');
  const { key } = parseJsonObject(await readBody(request, { maximumBytes: maximumBodyBytes }));
  if (typeof key === "string" && isKeySecret(key)) return key;
  throw new GatewayError("KEY_INVALID", "The key is malformed: check that it was copied whole. Weir's keys begin with `weir_`.");
}

/** The path, if it is one of the console; else the console's first page. Nobody is sent to other hosts, or to other doors. */
function consolePathOf(path: string | null): string {
  const home = "/console/";
  const base = "http://weir.invalid";
  if (path === null || !path.startsWith(home) || !URL.canParse(path, base)) return home;
  const { origin, pathname, search, hash } = new URL(path, base);
  const whole = pathname + search + hash;
  return origin === base && pathname.startsWith(home) && !isSessionPath(pathname) && whole.length <= longestReturnPath ? whole : home;
}

function contextOf({ requestId, signal, deadlineMs }: RequestScope): CallContext {
  return { identity: { kind: "service", name: "routing" }, requestId, signal, deadlineMs };
}

function answerSession({ response, settings }: Visit, present: PresentSession | undefined): void {
  const shown = present && {
    id: present.session.id,
    name: present.session.name,
    role: RoleSchema.value[present.session.role]?.name.replace("ROLE_", "").toLowerCase().replaceAll("_", "-"),
    permissions: present.grant.permissions.map((permission) => PermissionSchema.value[permission]?.name.replace("PERMISSION_", "")),
    organizationId: present.session.organizationId,
    expireTime: timestampDate(present.session.expireTime!).toISOString(),
  };
  answerJson(response, 200, { session: shown ?? null, signIn: { key: true, issuer: settings.issuer ?? null } });
}

function answerJson(response: HttpResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function redirect(response: HttpResponse, location: string): void {
  response.writeHead(302, { location }).end();
}

function answerFailure(request: HttpRequest, response: HttpResponse, error: GatewayError, isForPeople: boolean): void {
  if (!request.complete) discardRest(request);
  response.setHeader("x-weir-reason", error.reason);
  if (error.retryAfterMs !== undefined) response.setHeader("retry-after", String(Math.ceil(error.retryAfterMs / 1_000)));
  if (!isForPeople) return answerJson(response, error.httpStatus, { error: { reason: error.reason, message: error.message } });
  response.writeHead(error.httpStatus, { "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'none'" });
  response.end(`<!doctype html><title>Weir</title><p>${escapeHtml(error.message)}</p><p><a href="/console/">Back to the console</a></p>\n`);
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
