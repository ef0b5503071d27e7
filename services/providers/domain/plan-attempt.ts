/** Owns how an attempt is put to a vendor: which of the adapter's ways, what is sent, and how the reply is read. */
import { create } from "@bufbuild/protobuf";
import type { NativePayload, Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { SynthesizeSpeechRequest } from "#gen/weir/inference/v1/speech_pb.ts";
import { AttemptRequestSchema, AttemptResponseSchema, type AttemptRequest, type AttemptResponse, type RelayRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { SseSplitter } from "#platform/formats/sse.ts";
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { NativeForm, NativeUnaryForm, SpokenReply, UnaryAdapter, VendorAdapter, VendorRequest } from "./adapter.ts";
import { ByteReply } from "./reply/byte-reply.ts";
import { refuseErrorBody } from "./reply/error-body.ts";
import { charactersOf, estimateUsage, textsToCount, type CountedTexts, type TokenCounts, type Traffic } from "./usage/estimate-usage.ts";
import { noOutput } from "./usage/generated-output.ts";
import { estimateRequestTokens } from "./usage/request-tokens.ts";
import { refuseWholeReply } from "./reply/reply-headers.ts";
import type { RelayForm } from "./reply/relay-form.ts";
import type { ReplyReader } from "./reply/reply-reader.ts";
import { StreamedReply } from "./reply/streamed-reply.ts";
import { giveBackNames, nameTools, type GivenToolNames } from "./translation/tool-names.ts";
import { nativeOf, type UnaryName, type UnaryRequest } from "./unary-operation.ts";
import { WholeReply, type ReadBody } from "./reply/whole-reply.ts";

export interface AttemptPlan {
  /** The ledger's word. */
  readonly operation: string;
  readonly stream: boolean;
  readonly vendorRequest: VendorRequest;
  /** Warnings for which the reply itself has no place. */
  readonly startWarnings: readonly Warning[];
  /** A reader for the body of a reply that is no error. */
  readReply(contentType: string): ReplyReader;
  /** What was consumed when the vendor did not say, by tokens that were counted or else by bytes; undefined where nobody can tell. */
  readonly estimateUsage: (traffic: Traffic, counted?: TokenCounts) => Usage | undefined;
  /** What a tokenizer is to count for that; absent where the estimate is of no texts. */
  readonly countedTexts?: (traffic: Traffic) => CountedTexts;
  /** True where it makes a batch. */
  readonly makesBatch?: boolean;
  /** The vendor's id of the batch that it deletes. */
  readonly deletesBatch?: string;
  /** In the place of `readReply`, where the reply is to be of batches with these ids alone. */
  readonly readOwn?: (ownIds: ReadonlySet<string>) => AttemptPlan["readReply"];
}

/** Throws UNSUPPORTED_FIELD or INVALID_REQUEST when the vendor cannot be asked this. */
export function planAttempt(request: AttemptRequest, adapter: VendorAdapter): AttemptPlan {
  const { operation, model } = request;
  switch (operation.case) {
    case "generate":
      return planGenerate(generationOf(operation.value.generation), request, adapter);
    case "streamGenerate":
      return planStream(generationOf(operation.value.generation), request, adapter);
    case undefined:
      throw new GatewayError("INVALID_REQUEST", "The attempt has no operation.");
    case "synthesizeSpeech":
      return planSpeech(operation.value, model, adapter, request.provider);
    case "relay":
      return planRelay(operation.value, request, adapter);
    default:
      return planUnary(operation.case, operation.value, model, adapter, request.provider);
  }
}

function planGenerate(generation: Generation, request: AttemptRequest, adapter: VendorAdapter): AttemptPlan {
  const { generate } = adapter;
  const { model } = request;
  const native = nativeFor(generation.native, adapter);
  const { vendorRequest, given } = buildGenerate(adapter, generation, native, request, false);
  return {
    operation: "generate",
    stream: false,
    vendorRequest,
    startWarnings: [],
    readReply: () =>
      new WholeReply((body) => {
        refuseErrorBody(body, adapter);
        if (native !== undefined) return { response: nativeResponse(body), summary: formOf(native, adapter).summarizeReply(body) };
        const { response, summary } = generate.readReply(body, vendorRequest);
        response.model ||= model;
        response.warnings.push(...vendorRequest.warnings);
        giveBackNames(response, given);
        return { response: create(AttemptResponseSchema, { generate: response }), summary };
      }),
    ...estimatorFor(vendorRequest, (traffic) => traffic),
  };
}

function planStream(generation: Generation, request: AttemptRequest, adapter: VendorAdapter): AttemptPlan {
  const native = nativeFor(generation.native, adapter);
  const form = native === undefined ? adapter.generate : formOf(native, adapter);
  const { vendorRequest, given } = buildGenerate(adapter, generation, native, request, true);
  return {
    operation: "generate",
    stream: true,
    vendorRequest,
    startWarnings: [],
    readReply: (contentType) => {
      refuseWholeReply(contentType);
      return new StreamedReply(form.createStreamReader(vendorRequest), form.createSplitter?.() ?? new SseSplitter(), native !== undefined, vendorRequest.warnings, request.model, given);
    },
    ...estimatorFor(vendorRequest, (traffic) => traffic),
  };
}

function planUnary<Name extends UnaryName>(name: Name, request: UnaryRequest<Name>, model: string, adapter: VendorAdapter, provider: string): AttemptPlan {
  const operation = operationOf(name, adapter, provider);
  const native = nativeOf(request);
  const form = native === undefined ? undefined : unaryFormOf(native, operation, adapter);
  const vendorRequest = native === undefined || form === undefined ? operation.buildRequest(withTakenNames(request, adapter), model) : forwardHeaders(form.buildRequest(native.body, model), native, adapter);
  return {
    operation: AttemptRequestSchema.field[name].name,
    stream: false,
    vendorRequest,
    startWarnings: [],
    readReply: () =>
      new WholeReply((body) => {
        refuseErrorBody(body, adapter);
        if (form !== undefined) return { response: nativeResponse(body), summary: form.summarizeReply(body) };
        const { response, summary } = operation.readReply(body);
        response.model ||= model;
        response.warnings.push(...vendorRequest.warnings);
        return { response: create(AttemptResponseSchema, { [name]: response }), summary };
      }),
    ...(operation.estimateUsage === undefined ? estimatorFor(vendorRequest, nothingGenerated) : { estimateUsage: (traffic: Traffic) => operation.estimateUsage!(traffic, vendorRequest) }),
  };
}

/** What is counted is what would be sent. */
function withTakenNames<Name extends UnaryName>(request: UnaryRequest<Name>, { generate }: VendorAdapter): UnaryRequest<Name> {
  if (!("generation" in request) || request.generation === undefined) return request;
  return { ...request, generation: nameTools(request.generation, generate.toolNames).generation };
}

type Estimator = Pick<AttemptPlan, "estimateUsage" | "countedTexts">;

/** Takes the request's bytes once, though a long stream asks again and again. */
function estimatorFor({ body }: VendorRequest, trafficOf: (traffic: Traffic) => Traffic): Estimator {
  let tokens: bigint | undefined;
  return {
    estimateUsage: (traffic, counted) => estimateUsage(trafficOf(traffic), () => counted?.request ?? (tokens ??= estimateRequestTokens(body)), counted?.output),
    countedTexts: (traffic) => textsToCount(body, trafficOf(traffic)),
  };
}

/** What answers without generating: its reply is no tokens. */
const nothingGenerated = (): Traffic => ({ output: noOutput });

function planSpeech(request: SynthesizeSpeechRequest, model: string, { speech, vendor }: VendorAdapter, provider: string): AttemptPlan {
  if (speech === undefined) throw notOffered("synthesize_speech", vendor, provider);
  const vendorRequest = speech.buildRequest(request, model);
  return {
    operation: "synthesize_speech",
    stream: true,
    vendorRequest,
    startWarnings: vendorRequest.warnings,
    readReply: () => (speech.readReply === undefined ? new ByteReply() : new WholeReply((body) => spokenResponse(speech.readReply!(body, request)))),
    estimateUsage: () => charactersOf(request.input),
  };
}

function spokenResponse({ sound, mediaType, summary }: SpokenReply): ReturnType<ReadBody> {
  return { response: create(AttemptResponseSchema, { start: { contentType: mediaType }, native: sound }), summary };
}

function planRelay(request: RelayRequest, { attemptId, model, provider }: AttemptRequest, adapter: VendorAdapter): AttemptPlan {
  const { relays = [], batches, vendor } = adapter;
  const { dialect, endpoint, contentType, stream, resourceId, query } = request;
  const method = request.method || "POST";
  const form = relays.find((relay) => relay.dialect === dialect && relay.endpoint === endpoint && (relay.method ?? "POST") === method);
  if (form === undefined) throw notOffered(endpoint, vendor, provider);
  const makesBatch = form.makesBatch === true;
  const body = makesBatch && batches?.mark !== undefined ? batches.mark(request.body, attemptId) : request.body;
  const keepOwn = form.keepOwn?.bind(form);
  const path = endpoint.replace("{id}", () => encodeURIComponent(resourceId)) + (query === "" ? "" : `?${query}`);
  return {
    operation: ledgerWord(form.operation),
    stream,
    vendorRequest: forwardHeaders({ method: form.method ?? "POST", path, headers: {}, contentType, body, warnings: [], withholdUsage: false }, request, adapter),
    startWarnings: [],
    readReply: (replyType) => readerOf(form, replyType, model, adapter),
    estimateUsage: () => form.estimateUsage(body, contentType),
    makesBatch,
    ...(form.deletesBatch === true ? { deletesBatch: resourceId } : {}),
    ...(keepOwn === undefined ? {} : { readOwn: (ownIds) => () => new WholeReply((reply) => ({ response: nativeResponse(Buffer.from(keepOwn(reply, ownIds))), summary: form.summarizeReply(reply, contentType) })) }),
  };
}

/** The word of contracts and the ledger for an operation. */
export function ledgerWord(operation: RelayForm["operation"]): string {
  return operation === "files" || operation === "batches" ? operation : AttemptRequestSchema.field[operation].name;
}

/** By what the vendor says of its reply, not by what was asked: not every model that is asked for events answers with them. */
function readerOf(form: RelayForm, contentType: string, model: string, adapter: VendorAdapter): ReplyReader {
  if (contentType.startsWith("text/event-stream") && form.createStreamReader !== undefined) return new StreamedReply(form.createStreamReader(), new SseSplitter(), true, [], model);
  if (form.repliesInBytes === true || !/json|^text\//.test(contentType)) return new ByteReply();
  return new WholeReply((body) => {
    refuseErrorBody(body, adapter);
    return { response: nativeResponse(body), summary: form.summarizeReply(body, contentType) };
  });
}

interface BuiltGenerate {
  readonly vendorRequest: VendorRequest;
  readonly given: GivenToolNames;
}

function buildGenerate(adapter: VendorAdapter, asked: Generation, native: NativePayload | undefined, { model, leaseId }: AttemptRequest, stream: boolean): BuiltGenerate {
  const { generate } = adapter;
  const { generation, given } = nameTools(asked, native === undefined ? generate.toolNames : undefined);
  const built = native === undefined ? generate.buildRequest(generation, model, stream) : buildNative(adapter, generation, native, model, stream);
  return { vendorRequest: leaseId === "" || generate.atUsualPrice === undefined ? built : generate.atUsualPrice(built), given };
}

function buildNative(adapter: VendorAdapter, { maxOutputTokens }: Generation, native: NativePayload, model: string, stream: boolean): VendorRequest {
  const outputMaximum = maxOutputTokens === undefined ? undefined : Number(maxOutputTokens);
  return forwardHeaders(formOf(native, adapter).buildNativeRequest(native.body, model, stream, outputMaximum), native, adapter);
}

function forwardHeaders(vendorRequest: VendorRequest, { headers }: Pick<NativePayload, "headers">, { forwardedRequestHeaders }: VendorAdapter): VendorRequest {
  const forwarded = Object.entries(headers).filter(([name]) => forwardedRequestHeaders.includes(name));
  return forwarded.length === 0 ? vendorRequest : { ...vendorRequest, headers: { ...Object.fromEntries(forwarded), ...vendorRequest.headers } };
}

function nativeFor(native: NativePayload | undefined, adapter: VendorAdapter): NativePayload | undefined {
  if (native === undefined || adapter.nativeDialects.includes(native.dialect)) return native;
  throw dialectUnknown(adapter.vendor, native.dialect);
}

function dialectUnknown(vendor: string, dialect: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `The vendor ${vendor} does not speak the dialect ${dialect}; send it types.`);
}

function formOf({ dialect }: NativePayload, { generate }: VendorAdapter): NativeForm {
  return generate.nativeForms?.[dialect] ?? generate;
}

const emptyResponse = create(AttemptResponseSchema);

function nativeResponse(body: Buffer): AttemptResponse {
  return { ...emptyResponse, native: body };
}

function operationOf<Name extends UnaryName>(name: Name, adapter: VendorAdapter, provider: string): UnaryAdapter<Name> {
  const operation: UnaryAdapter<Name> | undefined = adapter.operations[name];
  if (operation !== undefined) return operation;
  throw notOffered(AttemptRequestSchema.field[name].name, adapter.vendor, provider);
}

function notOffered(operation: string, vendor: string, provider: string): GatewayError {
  return new GatewayError("UNSUPPORTED_OPERATION", `The provider ${provider} has no ${operation}: the vendor ${vendor} offers none.`, { metadata: { operation, target: provider } });
}

function unaryFormOf({ dialect }: NativePayload, { native }: { readonly native?: NativeUnaryForm }, { vendor }: VendorAdapter): NativeUnaryForm {
  if (native?.dialect === dialect) return native;
  throw dialectUnknown(vendor, dialect);
}

function generationOf(generation: Generation | undefined): Generation {
  if (generation !== undefined) return generation;
  throw new GatewayError("INVALID_REQUEST", "The attempt says nothing to generate.", {
    fieldViolations: [{ field: "generation", description: "is required" }],
  });
}
