/** Owns the endpoints that call a model: the body is read as a call, and the reply is written in one piece or as a stream. */
import { create } from "@bufbuild/protobuf";
import { WarningSchema, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { StreamStart } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import { readNested } from "#platform/formats/nesting.ts";
import { filesIn } from "../../domain/account/account-objects.ts";
import { generationCall, relayedCall, unaryCall } from "../../domain/asked-call.ts";
import { withOwnCache, type AskedGeneration, type AskedRelay, type AskedUnary } from "../../domain/asked-forms.ts";
import type { Reply } from "../../domain/call.ts";
import type { Dialect, GenerateEndpoint, RelayCall, RelayEndpoint, StreamWriter, UnaryEndpoint } from "../../domain/dialect.ts";
import type { RelayedName } from "../../domain/targets/capability.ts";
import type { UnaryName } from "../../domain/unary-operation.ts";
import { bodyOf, nativeOf, runArrived, strictnessOf, type Arrived } from "./arrived-request.ts";
import { streamReply } from "./stream-reply.ts";
import { answerJson, headersOf } from "./write-answer.ts";

/** Of a conversation, which is looked at several times: of some ten thousand messages. */
const mostGenerationValues = 250_000;

export async function generate(arrived: Arrived, dialect: Dialect, endpoint: GenerateEndpoint, body: Buffer): Promise<void> {
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
  const reply = await runArrived(arrived, generationCall(generation));
  if (asked.stream) return streamReply(arrived, dialect, reply, () => asked.createStreamWriter(), (first) => warningsOf(first, startOf(first)?.warnings, asked.unknownFields));
  const message = await onlyMessage(reply);
  const warnings = warningsOf(message, message.generate?.warnings, asked.unknownFields);
  const json = message.generate === undefined ? message.native : JSON.stringify(asked.writeReply({ ...message.generate, requestId: scope.requestId, target: reply.target.name }));
  answerJson(response, json, headersOf(arrived, dialect, reply, message, warnings));
}

export async function callUnary<Name extends UnaryName>(arrived: Arrived, dialect: Dialect, endpoint: UnaryEndpoint<Name>, body: Buffer): Promise<void> {
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
  const reply = await runArrived(arrived, unaryCall(asked));
  const message = await onlyMessage(reply);
  const answer = message[operation];
  const json = answer === undefined ? message.native : JSON.stringify(call.writeReply({ ...answer, requestId: arrived.scope.requestId, target: reply.target.name }));
  answerJson(arrived.response, json, headersOf(arrived, dialect, reply, message, warningsOf(message, answer?.warnings, call.unknownFields)));
}

function nestedTooDeeply(): GatewayError {
  return new GatewayError("INVALID_REQUEST", "The body is nested more deeply than Weir can translate. Nest it less, or ask a model that speaks the dialect of the request.");
}

export async function relay(arrived: Arrived, dialect: Dialect, endpoint: RelayEndpoint): Promise<void> {
  const call = await endpoint.read(await bodyOf(arrived), arrived.request.headers["content-type"] ?? "");
  return relayCall(arrived, dialect, { operation: endpoint.serves, path: endpoint.path }, call);
}

async function relayCall(arrived: Arrived, dialect: Dialect, { operation, path }: { readonly operation: RelayedName; readonly path: string }, call: RelayCall): Promise<void> {
  const asked: AskedRelay = { operation, dialect: dialect.name, endpoint: path.slice("/v1".length), call, strict: strictnessOf(arrived) };
  const reply = await runArrived(arrived, relayedCall(asked));
  return streamReply(arrived, dialect, reply, (first) => relayWriter(first.start?.contentType ?? "", call), (first) => first.start?.warnings ?? []);
}

/** Events can tell of an error and of silence; other bytes mean only themselves. */
function relayWriter(contentType: string, call: RelayCall): StreamWriter {
  const hasEvents = contentType.startsWith("text/event-stream");
  return { contentType, keepAlive: hasEvents ? ": keep-alive\n\n" : "", write: () => "", writeError: (error, requestId) => (hasEvents ? call.writeStreamError(error, requestId) : "") };
}

/** The message of a reply in one piece, once the attempt has come to its end. */
async function onlyMessage(reply: Reply): Promise<AttemptResponse> {
  let only: AttemptResponse | undefined;
  for await (const message of reply.messages) only ??= message;
  return only!;
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
