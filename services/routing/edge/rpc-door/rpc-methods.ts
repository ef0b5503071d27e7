/** Owns calling a method of a service's for a caller who is known: allowed, checked, audited, and told of. */
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { createContextKey, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { AuditClass, Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { GatewayError, toConnectError } from "#platform/errors.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import type { Identity, UntypedService } from "#platform/rpc/service-types.ts";
import { validateMessage } from "#platform/rpc/validation.ts";
import { authorizeMethod } from "../../domain/admission/admit.ts";
import { audited, recordDenial, type AuditedCall, type AuditTrail } from "../../domain/records/audit.ts";
import type { NotedContext } from "../../domain/records/call-notes.ts";
import { messageBytes, type ContentKeeper, type ContentRecording } from "../content-recording.ts";
import type { RequestScope } from "../request-scope.ts";

export interface MethodCallOptions {
  /** Fires when the process begins to drain: watchers are told. */
  readonly draining: AbortSignal;
  readonly audit: AuditTrail;
  readonly contents: ContentKeeper;
}

/** A request whose caller is known. */
export interface Arrival {
  readonly scope: RequestScope;
  readonly grant: Grant;
  readonly bodyBytes: number;
}

export const arrivalKey = createContextKey<Arrival | undefined>(undefined);

type Handler = (request: Message, context: HandlerContext) => unknown;

export function addMethod(router: ConnectRouter, method: DescMethod, owner: UntypedService, options: MethodCallOptions): void {
  const answer = method.methodKind === "unary" ? answerUnary : answerStream;
  const handler: Handler = (request, context) => answer(method, owner, request, context, options);
  // The router's types follow a method known at compile time; here it comes from the descriptors.
  (router.rpc as (method: DescMethod, handler: Handler) => void)(method, handler);
}

async function answerUnary(method: DescMethod, owner: UntypedService, request: Message, context: HandlerContext, options: MethodCallOptions): Promise<Message> {
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

async function* answerStream(method: DescMethod, owner: UntypedService, request: Message, context: HandlerContext, options: MethodCallOptions): AsyncIterable<Message> {
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

async function admit(method: DescMethod, request: Message, context: HandlerContext, options: MethodCallOptions): Promise<Admitted> {
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

function failed(scope: RequestScope, context: HandlerContext, thrown: unknown): Error {
  const error = scope.end(thrown)!;
  if (error.retryAfterMs !== undefined) context.responseHeader.set("retry-after", String(Math.ceil(error.retryAfterMs / 1000)));
  return toConnectError(error);
}
