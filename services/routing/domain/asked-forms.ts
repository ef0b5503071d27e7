/** Owns what a caller asked in its two forms: the bytes that they sent in their dialect, and the same in types, made only when needed. */
import { create } from "@bufbuild/protobuf";
import { GenerateRequestSchema, GenerationSchema, StreamGenerateRequestSchema, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { NativePayloadSchema, type NativePayload } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { RelayRequestSchema, type AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { spliceJson } from "#platform/formats/json.ts";
import { ownCacheKey, withVendorIds, withVendorMedia, type OwnFiles } from "./account/account-objects.ts";
import { boundOfGeneration, boundOfRelay, boundOfUnary } from "./budget/bound-of.ts";
import type { Bound } from "./budget/bound.ts";
import { extentOf, type GenerationExtent } from "./budget/generation-extent.ts";
import { offerOf, type RelayedName } from "./targets/capability.ts";
import type { RelayCall } from "./dialect.ts";
import { needsOf, noNeeds, type Needs } from "./targets/fitness.ts";
import type { Target } from "./targets/plan.ts";
import { nativeRequest, withEnvelope, type UnaryName, type UnaryRequest } from "./unary-operation.ts";

/** The fields of a NativePayload; any object with them will do. */
export type Native = Pick<NativePayload, "dialect" | "body" | "headers">;

/** What was asked of a generation. */
export interface AskedGeneration {
  readonly model: string;
  readonly stream: boolean;
  readonly native: Native | undefined;
  /** Files of the caller's own that it refers to. */
  readonly files: OwnFiles;
  /** What a target cannot honour is refused instead of warned of. */
  readonly strict: boolean;
  /** Fields that types cannot carry; known after `toGeneration`. */
  unknownFields(): readonly string[];
  toGeneration(): Generation;
}

/** What was asked of an operation that is answered in one piece. */
export interface AskedUnary<Name extends UnaryName> {
  readonly operation: Name;
  readonly model: string;
  readonly native: Native | undefined;
  /** As in AskedGeneration. */
  readonly strict: boolean;
  unknownFields(): readonly string[];
  toRequest(): UnaryRequest<Name>;
}

/** The same, its prompt cache named such that no other organization can name it; `key` is the name that the caller gave, if one. */
export function withOwnCache<Asked extends AskedGeneration>(asked: Asked, key: unknown, organizationId: string): Asked {
  if (typeof key !== "string") return asked;
  const promptCacheKey = ownCacheKey(key, organizationId);
  const { native } = asked;
  return {
    ...asked,
    native: native === undefined ? undefined : { ...native, body: spliceJson(native.body, { prompt_cache_key: promptCacheKey }) },
    toGeneration: () => ({ ...asked.toGeneration(), promptCacheKey }),
  };
}

/** What it needs of a model, read when it is first asked for. */
export function needsFor(asked: AskedGeneration): () => Needs {
  let needs: Needs | undefined;
  return () => (needs ??= readNeeds(asked));
}

function readNeeds(asked: AskedGeneration): Needs {
  try {
    return needsOf(asked.toGeneration());
  } catch {
    // The target that must read it says what is wrong; one that takes the caller's bytes may know what Weir does not.
    return noNeeds;
  }
}

/** What it can cost at a target, read when it is first asked for. */
export function generationBound(asked: AskedGeneration): (target: Target) => Bound {
  let extent: GenerationExtent | undefined;
  return (target) => boundOfGeneration((extent ??= readExtent(asked)), target, nativeFor(asked.native, target.provider.nativeDialects) !== undefined);
}

/** Throws UNBOUNDED_COST for what types cannot carry: what Weir cannot read it cannot count. */
function readExtent(asked: AskedGeneration): GenerationExtent {
  try {
    const generation = asked.toGeneration();
    return extentOf(generation, { fields: asked.unknownFields(), bytes: asked.native?.body.length ?? 0 });
  } catch (error) {
    if (!(error instanceof GatewayError) || error.reason !== "UNSUPPORTED_FIELD") throw error;
    throw new GatewayError("UNBOUNDED_COST", `What this request costs cannot be told before, and a budget applies to this key: ${error.message}`, { metadata: error.metadata });
  }
}

export function generationFor(asked: AskedGeneration, target: Target, routeIsStrict: boolean, inTypes: boolean): AttemptRequest["operation"] {
  const native = inTypes ? undefined : nativeFor(asked.native, target.provider.nativeDialects);
  const generation = atProvider(native === undefined ? typedGeneration(asked, routeIsStrict) : nativeGeneration(asked.model, native), asked.files, target.provider.name);
  return asked.stream
    ? { case: "streamGenerate", value: { ...emptyStream, generation } }
    : { case: "generate", value: { ...emptyGenerate, generation } };
}

function atProvider(generation: Generation, files: OwnFiles, provider: string): Generation {
  if (files.size === 0) return generation;
  if (generation.native === undefined) return withVendorMedia(generation, files, provider);
  generation.native.body = withVendorIds(generation.native.body, files, provider);
  return generation;
}

// Copies of empty ones, as in pipeline.ts.
const emptyGenerate = create(GenerateRequestSchema);
const emptyStream = create(StreamGenerateRequestSchema);
const emptyGeneration = create(GenerationSchema);
const emptyPayload = create(NativePayloadSchema);

function nativeGeneration(model: string, { dialect, body, headers }: Native): Generation {
  return { ...emptyGeneration, model, native: { ...emptyPayload, dialect, body, headers } };
}

function typedGeneration(asked: AskedGeneration, routeIsStrict: boolean): Generation {
  const generation = asked.toGeneration();
  return isStrict(asked, routeIsStrict) ? { ...generation, strict: true } : generation;
}

/** Throws UNSUPPORTED_FIELD when strictness was asked for and a field cannot be carried; ask once the request is read. */
function isStrict(asked: Pick<AskedGeneration, "strict" | "unknownFields">, routeIsStrict: boolean): boolean {
  if (!asked.strict && !routeIsStrict) return false;
  const [field] = asked.unknownFields();
  if (field !== undefined) {
    throw new GatewayError("UNSUPPORTED_FIELD", `${field} is not known to Weir, so it cannot be translated for this target. Leave it out, or do without strictness.`, { metadata: { field } });
  }
  return true;
}

/** What it can cost at a target, read when it is first asked for. */
export function unaryBound<Name extends UnaryName>(asked: AskedUnary<Name>): (target: Target) => Bound {
  let request: UnaryRequest<Name> | undefined;
  return (target) => boundOfUnary(asked.operation, (request ??= asked.toRequest()), target);
}

export function unaryFor<Name extends UnaryName>(asked: AskedUnary<Name>, target: Target, routeIsStrict: boolean): AttemptRequest["operation"] {
  const { operation, model } = asked;
  const native = nativeFor(asked.native, offerOf(target.provider, operation)?.nativeDialects ?? []);
  const value = native === undefined ? typedRequest(asked, routeIsStrict) : nativeRequest(operation, { model, native: create(NativePayloadSchema, native) });
  return { case: operation, value } as AttemptRequest["operation"];
}

function typedRequest<Name extends UnaryName>(asked: AskedUnary<Name>, routeIsStrict: boolean): UnaryRequest<Name> {
  const request = asked.toRequest();
  return isStrict(asked, routeIsStrict) ? withEnvelope(request, { strict: true }) : request;
}

/** What was asked of an endpoint whose bytes are relayed. */
export interface AskedRelay {
  readonly operation: RelayedName;
  readonly dialect: string;
  /** As in RelayRequest. */
  readonly endpoint: string;
  readonly call: RelayCall;
  /** As in AskedGeneration; of bytes that go on as they are nothing is left out. */
  readonly strict: boolean;
}

/** What it can cost at a target. */
export function relayBound({ operation, call }: AskedRelay): (target: Target) => Bound {
  return (target) => boundOfRelay(operation, call.extent, target);
}

/** Throws UNSUPPORTED_OPERATION for a target that does not take the caller's bytes, where they have no translation. */
export function relayFor({ operation, dialect, endpoint, call, strict }: AskedRelay, target: Target, routeIsStrict: boolean): AttemptRequest["operation"] {
  if (offerOf(target.provider, operation)?.nativeDialects.includes(dialect) !== true) {
    const speech = call.toSpeech?.();
    if (speech !== undefined) return { case: "synthesizeSpeech", value: { ...speech, strict: strict || routeIsStrict } };
    throw new GatewayError("UNSUPPORTED_OPERATION", `${target.name} does not take what OpenAI's clients send to ${endpoint}. Call it over gRPC or Connect.`, { metadata: { operation, target: target.name } });
  }
  return { case: "relay", value: create(RelayRequestSchema, { dialect, endpoint, contentType: call.contentType, body: call.bodyFor(target.model), stream: call.stream }) };
}

function nativeFor(native: Native | undefined, dialects: readonly string[]): Native | undefined {
  return native !== undefined && dialects.includes(native.dialect) ? native : undefined;
}
