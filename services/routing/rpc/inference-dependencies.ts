/** Owns what the RPCs of InferenceService need, and what they have in common. */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { filesIn, filesInTypes } from "../domain/account/account-objects.ts";
import { withOwnCache, type AskedGeneration } from "../domain/asked-forms.ts";
import type { AskedCall } from "../domain/asked-call.ts";
import { cacheHeaders } from "../domain/cache/cache-headers.ts";
import { notesOf } from "../domain/records/call-notes.ts";
import type { Dialect, GenerateCall } from "../domain/dialect.ts";
import type { FileIds } from "../domain/account/file-ids.ts";
import type { ReadBatchInput } from "../domain/account/kept-batches.ts";
import type { Call, Reply } from "../domain/call.ts";
import { runCall, type PipelineDependencies } from "../domain/pipeline.ts";
import { recordCall } from "../domain/records/record-call.ts";
import { isReservedLabel } from "../domain/reserved-labels.ts";

export interface InferenceDependencies {
  readonly pipeline: PipelineDependencies;
  readonly dialects: readonly Dialect[];
  readonly fileIds: (organizationId: string) => FileIds;
  readonly readBatchInput: ReadBatchInput;
  /** Reads a JSON body. Throws MALFORMED_BODY. */
  readonly parseJson: (body: Uint8Array) => { readonly [key: string]: unknown };
}

/** What was asked, and how it is answered when it was asked in a dialect. */
export interface AskedByRpc extends AskedGeneration {
  readonly dialect: string;
  readonly dialectCall: GenerateCall | undefined;
}

/** Reads the request, `native` included. Throws INVALID_REQUEST when it holds neither messages nor `native`. */
export function askedGeneration(generation: Generation, stream: boolean, context: CallContext, { dialects, parseJson, fileIds }: InferenceDependencies): AskedByRpc {
  const { native, model } = generation;
  const { organizationId } = grantOf(context);
  if (native === undefined) {
    if (generation.messages.length === 0) throw missing("generation.messages", "Send at least one message, or a native payload.");
    const files = filesInTypes(generation, fileIds(organizationId));
    const asked: AskedByRpc = { model, stream, native: undefined, files, strict: generation.strict, unknownFields: () => [], dialect: "", dialectCall: undefined, toGeneration: () => generation };
    return withOwnCache(asked, generation.promptCacheKey, organizationId);
  }
  const endpoints = dialects.find(({ name }) => name === native.dialect)?.endpoints.filter((endpoint) => endpoint.operation === "generate") ?? [];
  if (endpoints.length === 0) throw missing("generation.native.dialect", `There are ${dialects.map(({ name }) => name).join(", ")}.`);
  const body = parseJson(native.body);
  const files = filesIn(body, fileIds(organizationId));
  // Some dialects ask for a stream in the path, so that the RPC says which of their endpoints is meant.
  const dialectCall = firstOf(endpoints, (endpoint) => endpoint.read(body, { model, query: undefined }), (call) => call.stream === stream);
  if (dialectCall === undefined) throw missing("generation.native.body", stream ? "It must ask for a stream, as this RPC streams." : "It must not ask for a stream; call StreamGenerate for one.");
  const asked: AskedByRpc = {
    model,
    stream,
    native: dialectCall.isNative === false ? undefined : native,
    files,
    strict: generation.strict,
    unknownFields: () => dialectCall.unknownFields,
    dialect: native.dialect,
    dialectCall,
    toGeneration: () => ({ ...dialectCall.toGeneration(), model }),
  };
  return withOwnCache(asked, body["prompt_cache_key"], organizationId);
}

function firstOf<Source, Value>(sources: readonly Source[], valueOf: (source: Source) => Value, fits: (value: Value) => boolean): Value | undefined {
  for (const source of sources) {
    const value = valueOf(source);
    if (fits(value)) return value;
  }
  return undefined;
}

/** Runs the call of an RPC whose reply may be in the cache, and says beside the reply whether it was. Throws as `callOf` and `runCall` do. */
export async function runCacheable(context: CallContext, asked: AskedCall, labels: Record<string, string>, { pipeline }: InferenceDependencies): Promise<Reply> {
  const reply = await runCall(callOf(context, asked, labels), pipeline);
  if (reply.cacheUse !== undefined) for (const [name, value] of Object.entries(cacheHeaders(reply.cacheUse))) context.headers?.response.set(name, value);
  return reply;
}

/** The call of an RPC, for the pipeline. Throws INVALID_REQUEST for labels that cannot be put on record. */
export function callOf(context: CallContext, asked: AskedCall, labels: Record<string, string>): Call {
  for (const name in labels) {
    if (unstorable.test(name) || unstorable.test(labels[name]!)) throw wrongLabel("A label's name and value have no NUL character.");
    if (isReservedLabel(name)) throw wrongLabel("Labels that begin with weir_ are given by Weir alone.");
  }
  const call: Call = { ...asked, requestId: context.requestId, grant: grantOf(context), labels, signal: context.signal, deadlineMs: context.deadlineMs!, cacheControl: context.headers?.request.get("cache-control") ?? "", span: context.span, notes: notesOf(context) };
  recordCall(call);
  return call;
}

/** Databases hold no text with it: the call of this label would take those that are put on record with it along. */
const unstorable = /\0/;

function wrongLabel(description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${description} Leave it out.`, { fieldViolations: [{ field: "labels", description }] });
}

/** The caller's grant. Throws PERMISSION_DENIED for a service: inference is always on a key's account. */
export function grantOf({ identity }: CallContext): Grant {
  if (identity.kind === "caller") return identity.grant;
  throw new GatewayError("PERMISSION_DENIED", "Inference is called with a key, so that someone pays for it.");
}

function missing(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${field}: ${description}`, { fieldViolations: [{ field, description }] });
}
