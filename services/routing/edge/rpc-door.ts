/** Owns the RPC door: every public and admin method of every service over gRPC, gRPC-Web and Connect, forwarded to its owner. */
import { constants, type Http2ServerResponse } from "node:http2";
import type { DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { ConnectError, createConnectRouter, createContextKey, createContextValues, type HandlerContext } from "@connectrpc/connect";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { AuditClass, Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, toConnectError } from "#platform/errors.ts";
import type { HttpRequest, HttpResponse } from "#platform/listener.ts";
import { ruleOf } from "#platform/method-guard.ts";
import type { Identity, UntypedService } from "#platform/service-types.ts";
import { validateMessage } from "#platform/validation.ts";
import { authorizeMethod, type SessionSecret } from "../domain/admit.ts";
import { audited, recordDenial, type AuditedCall, type AuditTrail } from "../domain/audit.ts";
import type { ByteRoom } from "../domain/byte-room.ts";
import type { NotedContext } from "../domain/call-notes.ts";
import type { Admit } from "./admission.ts";
import { takeDeadline } from "./caller-deadline.ts";
import { sessionOf } from "./sessions/cookies.ts";
import { messageBytes, type ContentKeeper, type ContentRecording } from "./content-recording.ts";
import { addHealth } from "./rpc-health.ts";
import { addReflection } from "./rpc-reflection.ts";
import { compressions, readMessage } from "./rpc-message.ts";
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
  readonly byteRoom: ByteRoom;
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
  readonly handle: (request: HttpRequest, response: HttpResponse) => Promise<void>;
  /** Refuses a request unread, in the caller's protocol. */
  readonly refuse: (request: HttpRequest, response: HttpResponse, refusal: GatewayError) => void;
}

export function createRpcDoor(options: RpcDoorOptions): RpcDoor {
  const handlers = handlersOf(options);
  const refuse = (request: HttpRequest, response: HttpResponse, refusal: GatewayError): void => write(request, response, refused(request, refusal, options.openScope(undefined)));
  const handle = async (request: HttpRequest, response: HttpResponse): Promise<void> => {
    const path = request.url!.split("?", 1)[0]!;
    const handler = handlers.get(path);
    if (handler === undefined) return refuse(request, response, noMethod(path, options));
    if (!hasAuthority(request)) return refuse(request, response, new GatewayError("INVALID_REQUEST", "The request names no host that it is for. Send a Host header."));
    const timeoutMs = takeDeadline(request.headers);
    endUnfinished(request);
    // Connect waits until a caller who reads slowly has read, also for one who is gone.
    response.once("close", () => response.emit("drain"));
    const answer = isRuled(handler) ? answerRuled(handler, request, response, begin(options.openScope(timeoutMs), handler.method, request, response), options) : answerOpen(handler, request, response);
    const answered = await answer.catch((error: unknown) => void response.destroy(ConnectError.from(error)));
    if (answered !== undefined) write(request, response, answered);
  };
  return { handle, refuse };
}

/** Connect makes an address of it, and cannot of what is none. */
function hasAuthority({ headers }: HttpRequest): boolean {
  const authority = headers[":authority"] ?? headers.host;
  return authority !== undefined && URL.canParse(`http://${String(authority)}`);
}

/** Who asks is known before the message is read, and what it holds is bounded before it is decoded. */
async function answerRuled(handler: UniversalHandler, request: HttpRequest, response: HttpResponse, scope: RequestScope, options: RpcDoorOptions): Promise<UniversalServerResponse> {
  const { method } = handler;
  let body: Uint8Array;
  // Connect's context has the headers, but not whom they are from.
  const contextValues = createContextValues();
  try {
    const grant = await callerOf(method, request, scope, options);
    body = await readMessage(request, method.input, { maximumBytes: options.maximumMessageBytes, signal: scope.signal, count: options.byteRoom.countFor(scope) });
    contextValues.set(arrivalKey, { scope, grant, bodyBytes: body.length });
  } catch (thrown) {
    return refused(request, thrown instanceof ConnectError ? explained(thrown, method.input.typeName, options.maximumMessageBytes) : thrown, scope);
  }
  const answer = await handler({ ...universalRequestFromNodeRequest(request, response, undefined, contextValues), body: piecesOf(body) });
  return withReason(answer, method, scope, options);
}

async function* piecesOf(body: Uint8Array): AsyncIterable<Uint8Array> {
  yield body;
}

/** Health and reflection. An iterator that destroys the request where reading ends early would leave its connection deaf: over HTTP/1.1 the next call on it would wait in vain. */
function answerOpen(handler: UniversalHandler, request: HttpRequest, response: HttpResponse): Promise<UniversalServerResponse> {
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  return handler({ ...universalRequestFromNodeRequest(request, response, undefined, undefined), body });
}

/** Whoever asks for health and reflection needs few words, and no key. */
const maximumOpenBytes = 64 * 1024;

function handlersOf({ services, draining, ...options }: RpcDoorOptions): ReadonlyMap<string, UniversalHandler> {
  const router = createConnectRouter({ readMaxBytes: options.maximumMessageBytes, acceptCompression: compressions });
  for (const { descriptor, owner } of services) {
    for (const method of descriptor.methods) addMethod(router, method, owner, { services, draining, ...options });
  }
  const openRouter = createConnectRouter({ readMaxBytes: maximumOpenBytes, acceptCompression: compressions });
  addHealth(openRouter, services.map(({ descriptor }) => descriptor.typeName), draining);
  addReflection(openRouter, services.map(({ descriptor }) => descriptor));
  return new Map([...router.handlers, ...openRouter.handlers].map((handler) => [handler.requestPath, handler]));
}

/** Health and reflection have errors of gRPC's own. */
function isRuled({ service }: UniversalHandler): boolean {
  return service.typeName.startsWith("weir.");
}

/** What Connect refuses by itself has no reason yet, and stands in no log. */
async function withReason(answer: UniversalServerResponse, method: DescMethod, scope: RequestScope, options: RpcDoorOptions): Promise<UniversalServerResponse> {
  const { body: pieces, header } = answer;
  if (pieces === undefined || header === undefined) return answer;
  const body = pieces[Symbol.asyncIterator]();
  const first = await body.next();
  // Whatever a method answers bears the id of its request.
  const refusal = header.has("x-request-id") ? undefined : ownRefusal(answer, first.done === true ? undefined : first.value);
  if (refusal === undefined) return { ...answer, body: unread(body, first) };
  const error = explained(refusal, method.input.typeName, options.maximumMessageBytes);
  return refusalResponse(header.get("content-type") ?? "", explainedForCaller(refusal, error), refusalHeader(scope.end(error)!, scope));
}

/** Ends the request, in log and metrics, too; its caller hears in their protocol. */
function refused(request: HttpRequest, thrown: unknown, scope: RequestScope): UniversalServerResponse {
  const error = scope.end(thrown)!;
  return refusalResponse(request.headers["content-type"] ?? "", toConnectError(error), refusalHeader(error, scope));
}

function refusalHeader({ retryAfterMs }: GatewayError, { requestId }: RequestScope): Headers {
  const retryAfter = retryAfterMs === undefined ? {} : { "retry-after": String(Math.ceil(retryAfterMs / 1000)) };
  return new Headers({ "x-request-id": requestId, ...retryAfter });
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

/** A request whose caller is known. */
interface Arrival {
  readonly scope: RequestScope;
  readonly grant: Grant;
  readonly bodyBytes: number;
}

const arrivalKey = createContextKey<Arrival | undefined>(undefined);

type Handler = (request: Message, context: HandlerContext) => unknown;

function addMethod(router: ReturnType<typeof createConnectRouter>, method: DescMethod, owner: UntypedService, options: RpcDoorOptions): void {
  const answer = method.methodKind === "unary" ? answerUnary : answerStream;
  const handler: Handler = (request, context) => answer(method, owner, request, context, options);
  // The router's types follow a method known at compile time; here it comes from the descriptors.
  (router.rpc as (method: DescMethod, handler: Handler) => void)(method, handler);
}

async function answerUnary(method: DescMethod, owner: UntypedService, request: Message, context: HandlerContext, options: RpcDoorOptions): Promise<Message> {
  const { scope } = arrivalOf(context);
  let admitted: Admitted | undefined;
  try {
    admitted = await admit(method, request, context, options);
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
  const { scope } = arrivalOf(context);
  if (isEndless(method)) cutBy(options.draining, scope);
  let admitted: Admitted | undefined;
  try {
    admitted = await admit(method, request, context, options);
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

function begin(scope: RequestScope, method: DescMethod, request: HttpRequest, response: HttpResponse): RequestScope {
  scope.operation = method.localName;
  scope.record(method, request);
  response.once("close", () => scope.cancel());
  return scope;
}

/** The grant by which the call comes in, whatever its message says. */
function callerOf(method: DescMethod, request: HttpRequest, scope: RequestScope, options: RpcDoorOptions): Promise<Grant> {
  const { exposure } = ruleOf(method);
  if (exposure !== Exposure.PUBLIC && exposure !== Exposure.ADMIN) {
    throw new GatewayError("METHOD_NOT_EXPOSED", `${method.parent.typeName}/${method.name} is for Weir's own services and cannot be called on this port.`);
  }
  return options.admit(readCredential(request) ?? consoleSession(request, options), request, scope);
}

/** Of a method that Connect has called; its answer bears the id of its request. */
function arrivalOf({ values, responseHeader }: HandlerContext): Arrival {
  const arrival = values.get(arrivalKey)!;
  responseHeader.set("x-request-id", arrival.scope.requestId);
  return arrival;
}

interface Admitted {
  readonly call: AuditedCall;
  readonly callContext: NotedContext;
  /** Undefined where nothing of the call is kept. */
  readonly recording: ContentRecording | undefined;
}

async function admit(method: DescMethod, request: Message, context: HandlerContext, options: RpcDoorOptions): Promise<Admitted> {
  const { scope, grant, bodyBytes } = context.values.get(arrivalKey)!;
  const rule = ruleOf(method);
  const call = { method, request, grant, address: scope.address, requestId: scope.requestId };
  try {
    authorizeMethod(method, grant);
  } catch (denial) {
    await recordDenial(call, denial, options.audit);
    throw denial;
  }
  validateMessage(method.input, request, bodyBytes);
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

function readCredential({ headers }: HttpRequest): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const key = headers["x-api-key"];
  return bearer ?? (key === undefined ? undefined : String(key));
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
