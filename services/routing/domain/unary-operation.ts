/** Owns which operations are answered in one piece: those of the contract that do not generate. */
import { create } from "@bufbuild/protobuf";
import { GenerationSchema, InferenceService, type Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { NativePayload } from "#gen/weir/inference/v1/generation_pb.ts";
import type { AttemptRequest, AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";

type Operation = Extract<AttemptRequest["operation"], { case: string }>;
type Requests = { [One in Operation as One["case"]]: One["value"] };

/** The same in AttemptRequest, AttemptResponse and InferenceService. */
export type UnaryName = Exclude<keyof Requests, "generate" | "streamGenerate" | "synthesizeSpeech" | "relay">;
export type UnaryRequest<Name extends UnaryName> = Requests[Name];
export type UnaryResponse<Name extends UnaryName> = NonNullable<AttemptResponse[Name]>;

/** What every request has, be it about a generation or not. */
export type Envelope = Pick<Generation, "model" | "labels" | "strict" | "native">;

export function envelopeOf(request: UnaryRequest<UnaryName>): Envelope {
  return request.$typeName === "weir.inference.v1.CountTokensRequest" ? request.generation! : request;
}

/** The request with this in its envelope. */
export function withEnvelope<Request extends UnaryRequest<UnaryName>>(request: Request, envelope: Partial<Envelope>): Request {
  if (request.$typeName !== "weir.inference.v1.CountTokensRequest") return { ...request, ...envelope };
  return { ...request, generation: { ...(request.generation ?? create(GenerationSchema)), ...envelope } };
}

// The compiler does not follow a name through the descriptors, whose types these two state.

/** A request that says all in a dialect's own JSON. */
export function nativeRequest<Name extends UnaryName>(name: Name, envelope: Pick<Envelope, "model"> & { readonly native: NativePayload }): UnaryRequest<Name> {
  return withEnvelope(create(InferenceService.method[name].input) as UnaryRequest<Name>, envelope);
}

/** A response that says all in a dialect's own JSON. */
export function nativeResponse<Name extends UnaryName>(name: Name, init: Pick<UnaryResponse<Name>, "warnings" | "requestId" | "target"> & { readonly native: Omit<NativePayload, "$typeName" | "headers"> }): UnaryResponse<Name> {
  return create(InferenceService.method[name].output, init) as UnaryResponse<Name>;
}
