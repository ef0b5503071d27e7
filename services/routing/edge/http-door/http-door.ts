/** Owns the HTTP dialects' door: a request in the caller's dialect goes in, the reply or the error in the same dialect comes out. */
import { create } from "@bufbuild/protobuf";
import { WarningSchema, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { InferenceService, type StreamStart } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject, spliceJson } from "#platform/json.ts";
import { breakOff, type HttpRequest, type HttpResponse } from "#platform/listener.ts";
import { readNested } from "#platform/nesting.ts";
import { AccountFiles } from "../../domain/account/account-files.ts";
import { filesIn } from "../../domain/account/account-objects.ts";
import { authorizeMethod } from "../../domain/admission/admit.ts";
import { withOwnCache, type AskedGeneration, type AskedRelay, type AskedUnary, type Native } from "../../domain/asked.ts";
import { generationCall, relayedCall, unaryCall, type AskedCall } from "../../domain/asked-call.ts";
import type { RelayedName } from "../../domain/targets/capability.ts";
import type { ByteRoom } from "../../domain/byte-room.ts";
import type { Dialect, FilesEndpoint, GenerateEndpoint, GetModelEndpoint, ListModelsEndpoint, RelayCall, RelayEndpoint, RequestTarget, StreamWriter, UnaryEndpoint } from "../../domain/dialect.ts";
import type { EndpointIndex, FoundEndpoint } from "../../domain/endpoint-index.ts";
import type { FileIds } from "../../domain/account/file-ids.ts";
import { identifyEvents } from "../../domain/identification.ts";
import { getModel, listModels } from "../../domain/targets/list-models.ts";
import type { Call, Reply } from "../../domain/call.ts";
import { runCall, type PipelineDependencies } from "../../domain/pipeline.ts";
import { RateLimitedError } from "../../domain/rate-limits/rate-admission.ts";
import { recordCall } from "../../domain/records/recorded-call.ts";
import type { RoutingConfig } from "../../config.ts";
import type { Admit } from "../admission.ts";
import { recordReply, type ContentKeeper, type ContentRecording } from "../content-recording.ts";
import { readLabels } from "./labels.ts";
import { discardRest, readBody } from "../read-body.ts";
import { replyHeaders, tighterLimits } from "./reply-headers.ts";
import { readStrictness } from "./strictness.ts";
import type { RequestScope } from "../request-scope.ts";
import type { UnaryName } from "../../domain/unary-operation.ts";

export interface HttpDoorDependencies {
  readonly dialects: readonly Dialect[];
  readonly endpoints: EndpointIndex;
  readonly admit: Admit;
  readonly pipeline: PipelineDependencies;
  readonly config: () => RoutingConfig;
  readonly fileIds: (organizationId: string) => FileIds;
  readonly byteRoom: ByteRoom;
  /** Stands in for the models' own times of creation, which vendors do not all tell. */
  readonly startTimeMs: number;
  readonly contents: ContentKeeper;
}

/** A request as far as it is understood. */
interface Arrived {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly scope: RequestScope;
  readonly grant: Grant;
  readonly dependencies: HttpDoorDependencies;
  readonly target: RequestTarget;
  /** Undefined where nothing of the call is kept. */
  readonly recording: ContentRecording | undefined;
}

const rpcOf = { ...InferenceService.method, getModel: InferenceService.method.listModels, getVersion: InferenceService.method.listModels, files: InferenceService.method.listFiles };

/** Answers one request; resolves when the reply is on its way. Never throws: failures are answered. */
export async function handleHttp(request: HttpRequest, response: HttpResponse, scope: RequestScope, dependencies: HttpDoorDependencies): Promise<void> {
  const address = addressOf(request);
  const found = dependencies.endpoints.at(address.path);
  const dialect = dialectOf(request, address, found, dependencies.dialects);
  try {
    const { endpoint, model } = endpointOf(request, address, found, dialect);
    const operation = endpoint.operation === "relay" ? endpoint.serves : endpoint.operation;
    scope.operation = operation;
    scope.record(rpcOf[operation], request);
    const grant = await dependencies.admit(dialect.readCredential(request.headers, address.query), request, scope);
    authorizeMethod(rpcOf[operation], grant);
    const recording = dependencies.contents.begin(grant, scope);
    if (recording !== undefined) recordReply(response, recording);
    const arrived = { request, response, scope, grant, dependencies, target: { model, query: address.query }, recording };
    if (endpoint.operation === "generate") await generate(arrived, dialect, endpoint, await bodyOf(arrived));
    else if (endpoint.operation === "listModels") answerModels(arrived, endpoint);
    else if (endpoint.operation === "getModel") answerModel(arrived, endpoint);
    else if (endpoint.operation === "getVersion") answerJson(response, JSON.stringify(endpoint.writeReply()), identification(scope));
    else if (endpoint.operation === "files") await callFiles(arrived, dialect, endpoint);
    else if (endpoint.operation === "relay") await relay(arrived, dialect, endpoint);
    else await callUnary(arrived, dialect, endpoint, await bodyOf(arrived));
    scope.end();
  } catch (thrown) {
    const error = scope.end(thrown)!;
    if (response.headersSent) response.end();
    else answerError(request, response, dialect, error, scope.requestId, limitsOf(error, dialect, dependencies));
  }
}

/** Refuses a request unread, in the caller's dialect. */
export function refuseHttp(request: HttpRequest, response: HttpResponse, scope: RequestScope, { dialects, endpoints }: HttpDoorDependencies, refusal: GatewayError): void {
  const address = addressOf(request);
  answerError(request, response, dialectOf(request, address, endpoints.at(address.path), dialects), scope.end(refusal)!, scope.requestId);
}

interface Address {
  readonly path: string;
  readonly query: string;
}

function addressOf({ url = "/" }: HttpRequest): Address {
  const mark = url.indexOf("?");
  return mark < 0 ? { path: url, query: "" } : { path: url.slice(0, mark), query: url.slice(mark + 1) };
}

/** The dialect whose method or at least path it is; where several have it, the one that headers or query show. */
function dialectOf({ method, headers }: HttpRequest, { query }: Address, found: readonly FoundEndpoint[], dialects: readonly Dialect[]): Dialect {
  const callable = found.filter(({ endpoint }) => endpoint.method === method);
  const owners = (callable.length > 0 ? callable : found).map(({ dialect }) => dialect);
  if (owners.length === 1) return owners[0]!;
  const candidates = owners.length > 0 ? owners : dialects;
  return candidates.find((dialect) => dialect.claims(headers, query)) ?? candidates[0]!;
}

function endpointOf({ method }: HttpRequest, { path }: Address, found: readonly FoundEndpoint[], dialect: Dialect): FoundEndpoint {
  const own = found.filter((one) => one.dialect === dialect);
  const callable = own.find(({ endpoint }) => endpoint.method === method);
  if (callable !== undefined) return callable;
  const advice = own.length > 0 ? `Use ${own.map(({ endpoint }) => endpoint.method).join(" or ")}.` : `There are ${dialect.endpoints.map(({ method, path }) => `${method} ${path}`).join(", ")}.`;
  throw new GatewayError("METHOD_NOT_FOUND", `Weir has no ${method} ${path.slice(0, 200)}. ${advice}`);
}

/** Of a conversation, which is looked at several times: of some ten thousand messages. */
const mostGenerationValues = 250_000;

async function generate(arrived: Arrived, dialect: Dialect, endpoint: GenerateEndpoint, body: Buffer): Promise<void> {
  const { response, scope } = arrived;
  const parsed = parseJsonObject(body, mostGenerationValues);
  const files = filesIn(parsed, arrived.dependencies.fileIds(arrived.grant.organizationId));
  const asked = endpoint.read(parsed, arrived.target);
  const read: AskedGeneration = {
    model: asked.model,
    stream: asked.stream,
    native: asked.isNative === false ? undefined : nativeOf(dialect, arrived.request, body),
    files,
    strict: strictnessOf(arrived),
    unknownFields: () => asked.unknownFields,
    toGeneration: () => readNested(() => asked.toGeneration(), nestedTooDeeply),
  };
  const generation = withOwnCache(read, parsed["prompt_cache_key"], arrived.grant.organizationId);
  const reply = await run(arrived, generationCall(generation));
  if (asked.stream) return relayStream(arrived, dialect, reply, () => asked.createStreamWriter(), (first) => warningsOf(first, startOf(first)?.warnings, asked.unknownFields));
  const message = await onlyMessage(reply);
  const warnings = warningsOf(message, message.generate?.warnings, asked.unknownFields);
  const json = message.generate === undefined ? message.native : JSON.stringify(asked.writeReply({ ...message.generate, requestId: scope.requestId, target: reply.target.name }));
  answerJson(response, json, headersOf(arrived, dialect, reply, message, warnings));
}

function nestedTooDeeply(): GatewayError {
  return new GatewayError("INVALID_REQUEST", "The body is nested more deeply than Weir can translate. Nest it less, or ask a model that speaks the dialect of the request.");
}

async function callUnary<Name extends UnaryName>(arrived: Arrived, dialect: Dialect, endpoint: UnaryEndpoint<Name>, body: Buffer): Promise<void> {
  const { operation } = endpoint;
  const parsed = parseJsonObject(body);
  filesIn(parsed);
  const call = endpoint.read(parsed, arrived.target);
  if (call.events !== undefined) {
    const { serves, writeStreamError } = call.events;
    return relayCall(arrived, dialect, { operation: serves, path: endpoint.path }, { writeStreamError, model: call.model, stream: true, contentType: "application/json", extent: { bytes: body.length, count: 1n, files: 0n }, bodyFor: (model) => spliceJson(body, { model }) });
  }
  const asked: AskedUnary<Name> = {
    operation,
    model: call.model,
    native: nativeOf(dialect, arrived.request, body),
    strict: strictnessOf(arrived),
    unknownFields: () => call.unknownFields,
    toRequest: () => readNested(() => call.toRequest(), nestedTooDeeply),
  };
  const reply = await run(arrived, unaryCall(asked));
  const message = await onlyMessage(reply);
  const answer = message[operation];
  const json = answer === undefined ? message.native : JSON.stringify(call.writeReply({ ...answer, requestId: arrived.scope.requestId, target: reply.target.name }));
  answerJson(arrived.response, json, headersOf(arrived, dialect, reply, message, warningsOf(message, answer?.warnings, call.unknownFields)));
}

async function callFiles(arrived: Arrived, dialect: Dialect, endpoint: FilesEndpoint): Promise<void> {
  const { request, response, scope, grant, dependencies, target } = arrived;
  const files = new AccountFiles({
    dialects: [dialect.name],
    ids: dependencies.fileIds(grant.organizationId),
    grant,
    view: dependencies.pipeline.view(),
    headers: ownHeaders(dialect, request),
    providerField: "x-weir-provider",
    run: (call) => run(arrived, call),
    breathe: dependencies.pipeline.breathe,
  });
  const named = request.headers["x-weir-provider"];
  const asked = { id: target.model, query: target.query ?? "", provider: named === undefined ? undefined : String(named), contentType: request.headers["content-type"] ?? "", body: () => bodyOf(arrived) };
  const given = await endpoint.answer(asked, files);
  if ("json" in given) answerJson(response, JSON.stringify(given.json), identification(scope));
  else await relayStream(arrived, dialect, given.reply, (first) => bytesWriter(first.start?.contentType ?? ""), () => []);
}

/** A file's own bytes, which can tell of nothing else. */
function bytesWriter(contentType: string): StreamWriter {
  return { contentType, keepAlive: "", write: () => "", writeError: () => "" };
}

async function relay(arrived: Arrived, dialect: Dialect, endpoint: RelayEndpoint): Promise<void> {
  const call = await endpoint.read(await bodyOf(arrived), arrived.request.headers["content-type"] ?? "");
  return relayCall(arrived, dialect, { operation: endpoint.serves, path: endpoint.path }, call);
}

async function relayCall(arrived: Arrived, dialect: Dialect, { operation, path }: { readonly operation: RelayedName; readonly path: string }, call: RelayCall): Promise<void> {
  const asked: AskedRelay = { operation, dialect: dialect.name, endpoint: path.slice("/v1".length), call, strict: strictnessOf(arrived) };
  const reply = await run(arrived, relayedCall(asked));
  return relayStream(arrived, dialect, reply, (first) => relayWriter(first.start?.contentType ?? "", call), (first) => first.start?.warnings ?? []);
}

/** Events can tell of an error and of silence; other bytes mean only themselves. */
function relayWriter(contentType: string, call: RelayCall): StreamWriter {
  const hasEvents = contentType.startsWith("text/event-stream");
  return { contentType, keepAlive: hasEvents ? ": keep-alive\n\n" : "", write: () => "", writeError: (error, requestId) => (hasEvents ? call.writeStreamError(error, requestId) : "") };
}

function answerModels({ response, scope, grant, dependencies }: Arrived, endpoint: ListModelsEndpoint): void {
  const models = listModels(dependencies.pipeline.view(), grant);
  answerJson(response, JSON.stringify(endpoint.writeReply(models, dependencies.startTimeMs)), identification(scope));
}

function answerModel({ response, scope, grant, dependencies, target }: Arrived, endpoint: GetModelEndpoint): void {
  const model = getModel(target.model, dependencies.pipeline.view(), grant);
  answerJson(response, JSON.stringify(endpoint.writeReply(model, dependencies.startTimeMs)), identification(scope));
}

function identification({ requestId }: RequestScope): Record<string, string> {
  return { "x-request-id": requestId, "request-id": requestId };
}

function strictnessOf({ request }: Arrived): boolean {
  return readStrictness(request.headers["x-weir-strict"]);
}

/** Held to the end of the request, because the next target may need it. */
async function bodyOf({ request, scope, dependencies, recording }: Arrived): Promise<Buffer> {
  const body = await readBody(request, { maximumBytes: dependencies.config().maximumBodyBytes, setIn: "limits.max_body_bytes", signal: scope.signal, count: dependencies.byteRoom.countFor(scope) });
  recording?.addRequest(body);
  return body;
}

function nativeOf(dialect: Dialect, request: HttpRequest, body: Buffer): Native {
  return { dialect: dialect.name, body, headers: ownHeaders(dialect, request) };
}

/** Those that belong to the request as much as its body does. */
function ownHeaders({ requestHeaders }: Dialect, { headers }: HttpRequest): Record<string, string> {
  const own = requestHeaders.filter((header) => headers[header] !== undefined).map((header) => [header, String(headers[header])]);
  return Object.fromEntries(own) as Record<string, string>;
}

async function run({ request, scope, grant, dependencies }: Arrived, asked: AskedCall): Promise<Reply> {
  const call: Call = { ...asked, requestId: scope.requestId, grant, labels: readLabels(request.headers["x-weir-labels"]), signal: scope.signal, deadlineMs: scope.deadlineMs, cacheControl: request.headers["cache-control"] ?? "", span: scope.span, notes: scope.notes };
  recordCall(call);
  return runCall(call, dependencies.pipeline);
}

function headersOf({ scope, dependencies }: Arrived, dialect: Dialect, reply: Reply, first: AttemptResponse, warnings: readonly Warning[]): Record<string, string> {
  const nowMs = dependencies.pipeline.clock.now();
  const vendorLimits = first.start?.rateLimits ?? [];
  const headers = { ...(vendorLimits.length === 0 ? {} : dialect.writeRateLimits?.(vendorLimits, nowMs)), ...replyHeaders(reply, first, scope.requestId, warnings.concat(reply.warnings())) };
  return reply.rateLimits === undefined ? headers : { ...headers, ...tighterLimits(reply.rateLimits, headers, dialect, nowMs) };
}

function limitsOf(error: GatewayError, dialect: Dialect, { pipeline }: HttpDoorDependencies): Readonly<Record<string, string>> {
  return error instanceof RateLimitedError ? (dialect.writeRateLimits?.(error.rateLimits, pipeline.clock.now()) ?? {}) : {};
}

/** The message of a reply in one piece, once the attempt has come to its end. */
async function onlyMessage(reply: Reply): Promise<AttemptResponse> {
  let only: AttemptResponse | undefined;
  for await (const message of reply.messages) only ??= message;
  return only!;
}

async function relayStream(arrived: Arrived, dialect: Dialect, reply: Reply, createWriter: (first: AttemptResponse) => StreamWriter, warningsAt: (first: AttemptResponse) => readonly Warning[]): Promise<void> {
  const { response, scope, dependencies } = arrived;
  // Once the stream has begun: before, nothing can be written without deciding for this target.
  let writer: StreamWriter | undefined;
  const silence = setInterval(() => {
    if (writer !== undefined && !response.writableNeedDrain && writer.keepAlive !== "") response.write(writer.keepAlive);
  }, dependencies.config().streamKeepAliveMs);
  try {
    for await (const message of reply.messages) {
      silence.refresh();
      let { events } = message;
      if (writer === undefined) {
        writer = createWriter(message);
        events = identifyEvents(events, { requestId: scope.requestId, target: reply.target.name });
        const headers = headersOf(arrived, dialect, reply, message, warningsAt(message));
        response.writeHead(200, { ...headers, "content-type": writer.contentType, "cache-control": "no-cache" });
      }
      const bytes = message.native.length === 0 ? writer.write(events) : writer.relay === undefined ? message.native : writer.relay(message.native);
      if (message.end !== undefined) scope.isAnswered = true;
      if (bytes.length > 0 && !response.write(bytes)) await drained(response, scope.signal);
    }
    response.end(writer?.end?.() ?? "");
  } catch (thrown) {
    // Also to a caller whose time is up, or whose key is withdrawn; not to one who is gone.
    if (writer !== undefined && !response.destroyed) {
      const farewell = writer.writeError(asGatewayError(scope.signal.aborted ? scope.signal.reason : thrown), scope.requestId);
      if (farewell === "") breakOff(response);
      else response.write(farewell);
    }
    throw thrown;
  } finally {
    clearInterval(silence);
  }
}

/** Of what is still in the way when a reply has begun, the caller learns only what Weir itself says. */
function asGatewayError(thrown: unknown): GatewayError {
  return thrown instanceof GatewayError ? thrown : new GatewayError("INTERNAL", "Weir failed while it streamed the reply; its log has the cause under the request id.");
}

function drained(response: HttpResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      response.removeListener("drain", settle);
      response.removeListener("close", settle);
      signal.removeEventListener("abort", settle);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    response.once("drain", settle);
    response.once("close", settle);
    signal.addEventListener("abort", settle);
    if (signal.aborted) settle();
  });
}

function startOf({ events }: AttemptResponse): StreamStart | undefined {
  for (const { event } of events) if (event.case === "start") return event.value;
  return undefined;
}

function warningsOf({ native }: AttemptResponse, own: readonly Warning[] = [], unknownFields: readonly string[]): readonly Warning[] {
  // Bytes that went through untouched carry every field, known to Weir or not.
  if (native.length > 0) return [];
  const unknown = unknownFields.map((field) => create(WarningSchema, { field, message: "not known to Weir, so it could not be translated for this target" }));
  return [...own, ...unknown];
}

function answerJson(response: HttpResponse, json: Uint8Array | string, headers: Record<string, string>): void {
  response.writeHead(200, { ...headers, "content-type": "application/json", "content-length": String(Buffer.byteLength(json)) });
  response.end(json);
}

function answerError(request: HttpRequest, response: HttpResponse, dialect: Dialect, error: GatewayError, requestId: string, rateLimits: Readonly<Record<string, string>> = {}): void {
  const { status, headers, body } = dialect.writeError(error, requestId);
  if (!request.complete) discardRest(request);
  response.writeHead(status, { "x-request-id": requestId, "request-id": requestId, "x-weir-reason": error.reason, ...rateLimits, ...retryAdvice(error), ...headers, "content-length": String(Buffer.byteLength(body)) });
  response.end(body);
}

/** The longest that a client can be left to wait between tries; OpenAI's and Anthropic's own wait no longer. */
const longestRetryMs = 60_000;

/** Clients try again after 429 by themselves: not where a budget has no room for longer than they wait. */
function retryAdvice({ reason, retryAfterMs = Infinity }: GatewayError): Record<string, string> {
  return reason === "BUDGET_EXCEEDED" && retryAfterMs > longestRetryMs ? { "x-should-retry": "false" } : {};
}
