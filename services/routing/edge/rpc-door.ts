/** Owns the RPC door: every public and admin method of every service over gRPC, gRPC-Web and Connect, forwarded to its owner. */
import { constants, type Http2ServerResponse } from "node:http2";
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { Code, ConnectError, createConnectRouter, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { compressionBrotli, compressionGzip, universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { AuditClass, Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, toConnectError } from "#platform/errors.ts";
import type { HttpRequest, HttpResponse } from "#platform/listener.ts";
import { ruleOf } from "#platform/method-guard.ts";
import type { Identity, UntypedService } from "#platform/service-types.ts";
import { validateMessage } from "#platform/validation.ts";
import { authorizeMethod, type SessionSecret } from "../domain/admit.ts";
import { audited, recordDenial, type AuditedCall, type AuditTrail } from "../domain/audit.ts";
import type { NotedContext } from "../domain/call-notes.ts";
import type { Admit } from "./admission.ts";
import { leaveOutFarDeadlines } from "./caller-deadline.ts";
import { sessionOf } from "./sessions/cookies.ts";
import { messageBytes, type ContentKeeper, type ContentRecording } from "./content-recording.ts";
import { addHealth } from "./rpc-health.ts";
import { addReflection } from "./rpc-reflection.ts";
import { explained, explainedForCaller, ownRefusal, refusalResponse, unread } from "./rpc-refusals.ts";
import { discardRest } from "./read-body.ts";
import { hasFailed, writeTrailersAlone } from "./trailers-alone.ts";
import type { RequestScope } from "./request-scope.ts";
import { endUnfinished } from "./unfinished-request.ts";

/** A service and who answers for it. */
export interface OwnedService {
  readonly descriptor: DescService;
  readonly owner: UntypedService;
}

export interface RpcDoorOptions {
  readonly services: readonly OwnedService[];
  readonly admit: Admit;
  readonly maximumMessageBytes: number;
  /** Where the console's page is from, where that is known. */
  readonly consoleOrigin: string | undefined;
  readonly openScope: (callerTimeoutMs: number | undefined) => RequestScope;
  /** Fires when the process begins to drain: health answers NOT_SERVING and watchers are told. */
  readonly draining: AbortSignal;
  readonly audit: AuditTrail;
  readonly contents: ContentKeeper;
}

/** Paths below these belong to the RPC door, and whatever speaks gRPC: it could not read an answer in a dialect. */
export function isRpc({ url = "/", headers }: HttpRequest): boolean {
  return url.startsWith("/weir.") || url.startsWith("/grpc.") || (headers["content-type"]?.startsWith("application/grpc") ?? false);
}

export interface RpcDoor {
  /** Takes the paths of all methods, internal ones included: those are refused with METHOD_NOT_EXPOSED. */
  readonly handle: (request: HttpRequest, response: HttpResponse) => void;
  /** Refuses a request unread, in the caller's protocol. */
  readonly refuse: (request: HttpRequest, response: HttpResponse, refusal: GatewayError) => void;
}

export function createRpcDoor(options: RpcDoorOptions): RpcDoor {
  const handlers = handlersOf(options);
  const refuse = (request: HttpRequest, response: HttpResponse, refusal: GatewayError): void => {
    const told = toConnectError(refusal);
    write(request, response, refusalResponse(request.headers["content-type"] ?? "", told, refusalHeader(refusal, "", options)));
  };
  const handle = (request: HttpRequest, response: HttpResponse): void => {
    const path = request.url!.split("?", 1)[0]!;
    const handler = handlers.get(path);
    if (handler === undefined) return refuse(request, response, noMethod(path, options));
    leaveOutFarDeadlines(request.headers);
    endUnfinished(request);
    // Connect waits until a caller who reads slowly has read, also for one who is gone.
    response.once("close", () => response.emit("drain"));
    // Connect's context has the headers, but not whom they are from.
    const contextValues = createContextValues().set(requestKey, request);
    // An iterator that destroys the request where reading ends early would leave its connection deaf: over HTTP/1.1 the next call on it would wait in vain.
    const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    void handler({ ...universalRequestFromNodeRequest(request, response, undefined, contextValues), body })
      .then((answer) => (isRuled(handler) ? withReason(answer, handler, options) : answer))
      .then((answer) => write(request, response, answer), (error: unknown) => response.destroy(ConnectError.from(error)));
  };
  return { handle, refuse };
}

function handlersOf({ services, maximumMessageBytes, draining, ...options }: RpcDoorOptions): ReadonlyMap<string, UniversalHandler> {
  const router = createConnectRouter({ readMaxBytes: maximumMessageBytes, acceptCompression: [compressionGzip, compressionBrotli] });
  for (const { descriptor, owner } of services) {
    for (const method of descriptor.methods) addMethod(router, method, owner, { services, maximumMessageBytes, draining, ...options });
  }
  addHealth(router, services.map(({ descriptor }) => descriptor.typeName), draining);
  addReflection(router, services.map(({ descriptor }) => descriptor));
  return new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
}

/** Health and reflection have errors of gRPC's own. */
function isRuled({ service }: UniversalHandler): boolean {
  return service.typeName.startsWith("weir.");
}

/** What Connect refuses by itself has no reason yet, and stands in no log. */
async function withReason(answer: UniversalServerResponse, { method }: UniversalHandler, options: RpcDoorOptions): Promise<UniversalServerResponse> {
  const { body: pieces, header } = answer;
  if (pieces === undefined || header === undefined) return answer;
  const body = pieces[Symbol.asyncIterator]();
  const first = await body.next();
  // Whatever a method answers bears the id of its request.
  const refusal = header.has("x-request-id") ? undefined : ownRefusal(answer, first.done === true ? undefined : first.value);
  if (refusal === undefined) return { ...answer, body: unread(body, first) };
  const error = explained(refusal, method.input.typeName, options.maximumMessageBytes);
  return refusalResponse(header.get("content-type") ?? "", explainedForCaller(refusal, error), refusalHeader(error, method.localName, options));
}

/** Tells of the refusal in log and metrics, too. */
function refusalHeader(refusal: GatewayError, operation: string, { openScope }: RpcDoorOptions): Headers {
  const scope = openScope(undefined);
  scope.operation = operation;
  scope.end(refusal);
  const retryAfter = refusal.retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(refusal.retryAfterMs / 1000)) };
  return new Headers({ "x-request-id": scope.requestId, ...retryAfter });
}

function noMethod(path: string, { services }: RpcDoorOptions): GatewayError {
  const [, typeName = "", name = ""] = path.slice(0, 200).split("/");
  const service = services.find(({ descriptor }) => descriptor.typeName === typeName)?.descriptor;
  const advice = service === undefined ? `Its services are ${services.map(({ descriptor }) => descriptor.typeName).join(", ")}` : `It has ${service.methods.map((method) => method.name).join(", ")}`;
  return new GatewayError("METHOD_NOT_FOUND", `Weir has no method ${typeName}/${name}. ${advice}.`);
}

function write(request: HttpRequest, response: HttpResponse, answer: UniversalServerResponse): void {
  // A response over HTTP/2 has itself finished only when its stream is closed.
  (isOverHttp2(response) ? response.stream : response).once("finish", () => leaveRest(request, response));
  // A caller who goes away is seen by the scope of the request.
  writeOut(answer, response).catch(() => response.destroy());
}

/** What of a refused request is not read would stand before its connection's next one. Over HTTP/2 its stream would stay open: the caller is told to send no more. */
function leaveRest(request: HttpRequest, response: HttpResponse): void {
  if (request.complete) return;
  if (isOverHttp2(response)) response.stream.close(constants.NGHTTP2_NO_ERROR);
  else discardRest(request);
}

async function writeOut(answer: UniversalServerResponse, response: HttpResponse): Promise<void> {
  const { body: pieces, trailer } = answer;
  if (pieces === undefined || trailer === undefined || !isOverHttp2(response)) return universalResponseToNodeResponse(answer, response);
  const body = pieces[Symbol.asyncIterator]();
  const first = await body.next();
  if (first.done === true && hasFailed(trailer)) writeTrailersAlone(answer, response.stream);
  else await universalResponseToNodeResponse({ ...answer, body: unread(body, first) }, response);
}

function isOverHttp2(response: HttpResponse): response is HttpResponse & Http2ServerResponse {
  return "stream" in response;
}

const requestKey = createContextKey<HttpRequest | undefined>(undefined);

type Handler = (request: Message, context: HandlerContext) => unknown;

function addMethod(router: ReturnType<typeof createConnectRouter>, method: DescMethod, owner: UntypedService, options: RpcDoorOptions): void {
  const answer = method.methodKind === "unary" ? answerUnary : answerStream;
  const handler: Handler = (request, context) => answer(method, owner, request, context, options);
  // The router's types follow a method known at compile time; here it comes from the descriptors.
  (router.rpc as (method: DescMethod, handler: Handler) => void)(method, handler);
}

async function answerUnary(method: DescMethod, owner: UntypedService, request: Message, context: HandlerContext, options: RpcDoorOptions): Promise<Message> {
  const scope = openScope(method, context, options);
  let admitted: Admitted | undefined;
  try {
    admitted = await admit(method, request, context, scope, options);
    const { call, callContext, recording } = admitted;
    const response = await audited(call, options.audit, () => owner[method.localName]!(request, callContext) as Promise<Message>);
    recording?.addReply(messageBytes(method.output, response));
    scope.end();
    return response;
  } catch (thrown) {
    throw failed(scope, context, thrown);
  } finally {
    admitted?.recording?.end();
  }
}

async function* answerStream(method: DescMethod, owner: UntypedService, request: Message, context: HandlerContext, options: RpcDoorOptions): AsyncIterable<Message> {
  const scope = openScope(method, context, options);
  if (isEndless(method)) cutBy(options.draining, scope);
  let admitted: Admitted | undefined;
  try {
    admitted = await admit(method, request, context, scope, options);
    const messages = owner[method.localName]!(request, admitted.callContext) as AsyncIterable<Message>;
    yield* admitted.recording === undefined ? messages : recorded(method, messages, admitted.recording);
    // Some end without a word when they are cut; their callers are to hear why.
    scope.signal.throwIfAborted();
    scope.end();
  } catch (thrown) {
    if (admitted !== undefined) await recordDenial(admitted.call, thrown, options.audit);
    throw failed(scope, context, thrown);
  }
}

/** A watch never ends by itself, so a stopping Weir does not wait for its end. */
function isEndless({ name }: DescMethod): boolean {
  return name.startsWith("Watch");
}

function cutBy(draining: AbortSignal, scope: RequestScope): void {
  const cut = (): void => scope.cut(new GatewayError("SHUTTING_DOWN", "Weir is shutting down. Watch again, at another instance."));
  if (draining.aborted) return cut();
  draining.addEventListener("abort", cut);
  scope.whenOver(() => draining.removeEventListener("abort", cut));
}

async function* recorded(method: DescMethod, messages: AsyncIterable<Message>, recording: ContentRecording): AsyncIterable<Message> {
  try {
    for await (const message of messages) {
      recording.addReply(messageBytes(method.output, message));
      yield message;
    }
  } finally {
    recording.end();
  }
}

function openScope(method: DescMethod, context: HandlerContext, options: RpcDoorOptions): RequestScope {
  const scope = options.openScope(context.timeoutMs());
  scope.operation = method.localName;
  scope.record(method, context.values.get(requestKey)!);
  context.responseHeader.set("x-request-id", scope.requestId);
  const stop = (): void => (isDeadline(context.signal.reason) ? scope.expire() : scope.cancel());
  if (context.signal.aborted) stop();
  else context.signal.addEventListener("abort", stop, { once: true });
  return scope;
}

function isDeadline(reason: unknown): boolean {
  return reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
}

interface Admitted {
  readonly call: AuditedCall;
  readonly callContext: NotedContext;
  /** Undefined where nothing of the call is kept. */
  readonly recording: ContentRecording | undefined;
}

async function admit(method: DescMethod, request: Message, context: HandlerContext, scope: RequestScope, options: RpcDoorOptions): Promise<Admitted> {
  const rule = ruleOf(method);
  if (rule.exposure !== Exposure.PUBLIC && rule.exposure !== Exposure.ADMIN) {
    throw new GatewayError("METHOD_NOT_EXPOSED", `${method.parent.typeName}/${method.name} is for Weir's own services and cannot be called on this port.`);
  }
  const httpRequest = context.values.get(requestKey)!;
  const grant = await options.admit(readCredential(context.requestHeader) ?? consoleSession(httpRequest, options), httpRequest, scope);
  const call = { method, request, grant, address: scope.address, requestId: scope.requestId };
  try {
    authorizeMethod(method, grant);
  } catch (denial) {
    await recordDenial(call, denial, options.audit);
    throw denial;
  }
  validateMessage(method.input, request);
  if (rule.exposure === Exposure.ADMIN) checkOrganizationId(request);
  const recording = rule.audit === AuditClass.INFERENCE ? options.contents.begin(grant, scope) : undefined;
  recording?.addRequest(messageBytes(method.input, request));
  const identity: Identity = { kind: "caller", grant };
  return { call, recording, callContext: { identity, requestId: scope.requestId, signal: scope.signal, deadlineMs: scope.deadlineMs, headers: { request: context.requestHeader, response: context.responseHeader }, span: scope.span, notes: scope.notes } };
}

/** Of an id that is none nothing would be found, erased or charged, and no word of that said; and it would have an audit log of its own. */
function checkOrganizationId(request: Message): void {
  const { organizationId = "" } = request as Message & { readonly organizationId?: string };
  if (/^(org_[\w-]+)?$/.test(organizationId)) return;
  const description = `"${organizationId}" is no organization's id. ListOrganizations says which name has which id.`;
  throw new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field: "organization_id", description }] });
}

function readCredential(headers: Headers): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return bearer ?? headers.get("x-api-key") ?? undefined;
}

/** Of the console's own calls, which a page of another origin could not make unasked: the browser would ask Weir first. */
function consoleSession(request: HttpRequest, { consoleOrigin }: RpcDoorOptions): SessionSecret | undefined {
  return request.headers["x-weir-console"] === "1" ? sessionOf(request, consoleOrigin) : undefined;
}

function failed(scope: RequestScope, context: HandlerContext, thrown: unknown): Error {
  const error = scope.end(thrown)!;
  if (error.retryAfterMs !== undefined) context.responseHeader.set("retry-after", String(Math.ceil(error.retryAfterMs / 1000)));
  return toConnectError(error);
}
