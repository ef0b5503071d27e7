/** Owns InferenceService.Transcribe. */
import { create } from "@bufbuild/protobuf";
import { TranscribeResponseSchema, type TranscribeRequest, type TranscribeResponse } from "#gen/weir/inference/v1/transcription_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import type { InferenceDependencies } from "./inference-dependencies.ts";
import { relayNative } from "./native-relay.ts";
import { callUnary } from "./unary.ts";

export async function transcribe(request: TranscribeRequest, context: CallContext, dependencies: InferenceDependencies): Promise<TranscribeResponse> {
  const { model, labels, native, translate, audio } = request;
  if (native !== undefined) {
    const path = translate ? "/v1/audio/translations" : "/v1/audio/transcriptions";
    return create(TranscribeResponseSchema, await relayNative("transcribe", { model, labels, native, path }, context, dependencies));
  }
  if (audio.length === 0) throw new GatewayError("INVALID_REQUEST", "audio: Send the recording, or a native payload.", { fieldViolations: [{ field: "audio", description: "empty" }] });
  return callUnary("transcribe", request, context, dependencies);
}
