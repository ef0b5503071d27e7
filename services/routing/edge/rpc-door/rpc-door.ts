/** Owns the RPC door: every public and admin method of every service over gRPC, gRPC-Web and Connect, forwarded to its owner. */
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { ConnectError, createConnectRouter, createContextValues } from "@connectrpc/connect";
import { universalRequestFromNodeRequest } from "@connectrpc/connect-node";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, toConnectError } from "#platform/errors.ts";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import type { UntypedService } from "#platform/rpc/service-types.ts";
import type { SessionSecret } from "../../domain/admission/admit.ts";
import type { ByteRoom } from "../../domain/byte-room.ts";
import type { Admit } from "../admission.ts";
import { takeDeadline } from "./caller-deadline.ts";
import type { RequestScope } from "../request-scope.ts";
import { writeAnswer } from "./rpc-answer.ts";
import { addHealth } from "./rpc-health.ts";
import { compressions, readMessage } from "./rpc-message.ts";
import { addMethod, arrivalKey, type MethodCallOptions } from "./rpc-methods.ts";
import { addReflection } from "./rpc-reflection.ts";
import { explained, explainedForCaller, ownRefusal, refusalResponse, unread } from "./rpc-refusals.ts";
import { sessionOf } from "../sessions/cookies.ts";
import { endUnfinished } from "./unfinished-request.ts";

/** A service and who answers for it. */
export interface OwnedService {
  readonly descriptor: DescService;
  readonly owner: UntypedService;
}

export interface RpcDoorOptions extends MethodCallOptions {
  readonly services: readonly OwnedService[];
  readonly admit: Admit;
  readonly maximumMessageBytes: number;
  readonly byteRoom: ByteRoom;
  /** Where the console's page is from, where that is known. */
  readonly consoleOrigin: string | undefined;
  readonly openScope: (callerTimeoutMs: number | undefined) => RequestScope;
  /** Fires when the process begins to drain: health answers NOT_SERVING, and watchers are told. */
  readonly draining: AbortSignal;
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
  const refuse = (request: HttpRequest, response: HttpResponse, refusal: GatewayError): void => writeAnswer(request, response, refused(request, refusal, options.openScope(undefined)));
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
    if (answered !== undefined) writeAnswer(request, response, answered);
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

function handlersOf(options: RpcDoorOptions): ReadonlyMap<string, UniversalHandler> {
  const { services, maximumMessageBytes, draining } = options;
  const router = createConnectRouter({ readMaxBytes: maximumMessageBytes, acceptCompression: compressions });
  for (const { descriptor, owner } of services) {
    for (const method of descriptor.methods) addMethod(router, method, owner, options);
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

function readCredential({ headers }: HttpRequest): string | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  const key = headers["x-api-key"];
  return bearer ?? (key === undefined ? undefined : String(key));
}

/** Of the console's own calls, which a page of another origin could not make unasked: the browser would ask Weir first. */
function consoleSession(request: HttpRequest, { consoleOrigin }: RpcDoorOptions): SessionSecret | undefined {
  return request.headers["x-weir-console"] === "1" ? sessionOf(request, consoleOrigin) : undefined;
}
