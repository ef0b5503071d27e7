/** Owns which operations are answered in one piece: those of the contract that do not generate. */
import type { NativePayload } from "#gen/weir/inference/v1/generation_pb.ts";
import type { AttemptRequest, AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";

type Operation = Extract<AttemptRequest["operation"], { case: string }>;
type Requests = { [One in Operation as One["case"]]: One["value"] };

/** The same in AttemptRequest, AttemptResponse and InferenceService. */
export type UnaryName = Exclude<keyof Requests, "generate" | "streamGenerate" | "synthesizeSpeech" | "relay">;
export type UnaryRequest<Name extends UnaryName> = Requests[Name];
export type UnaryResponse<Name extends UnaryName> = NonNullable<AttemptResponse[Name]>;

/** The request in a dialect's own JSON, where it came so. */
export function nativeOf(request: UnaryRequest<UnaryName>): NativePayload | undefined {
  return request.$typeName === "weir.inference.v1.CountTokensRequest" ? request.generation?.native : request.native;
}
