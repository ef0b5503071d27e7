/** Owns InferenceService.Transcribe. */
import { create } from "@bufbuild/protobuf";
import type { NativePayload } from "#gen/weir/inference/v1/generation_pb.ts";
import { TranscribeResponseSchema, type TranscribeRequest, type TranscribeResponse } from "#gen/weir/inference/v1/transcription_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/service-types.ts";
import { relayFor, type AskedRelay } from "../domain/asked.ts";
import type { RelayEndpoint } from "../domain/dialect.ts";
import { runCall } from "../domain/pipeline.ts";
import { callOf, type InferenceDependencies } from "./inference-dependencies.ts";
import { callUnary } from "./unary.ts";

export async function transcribe(request: TranscribeRequest, context: CallContext, dependencies: InferenceDependencies): Promise<TranscribeResponse> {
  const { native } = request;
  if (native !== undefined) return transcribeNative(request, native, context, dependencies);
  if (request.audio.length === 0) throw missing("audio", "Send the recording, or a native payload.");
  return callUnary("transcribe", request, context, dependencies);
}

async function transcribeNative({ model, translate, labels }: TranscribeRequest, { dialect, body, headers }: NativePayload, context: CallContext, { dialects, pipeline }: InferenceDependencies): Promise<TranscribeResponse> {
  const path = translate ? "/v1/audio/translations" : "/v1/audio/transcriptions";
  const endpoint = dialects.find(({ name }) => name === dialect)?.endpoints.find((one): one is RelayEndpoint => one.operation === "relay" && one.path === path);
  if (endpoint === undefined) throw missing("native.dialect", `the dialect "${dialect}" has no transcriptions.`);
  const contentType = headers["content-type"] ?? "";
  const call = await endpoint.read(Buffer.from(body.buffer, body.byteOffset, body.byteLength), contentType);
  if (call.stream) throw missing("native.body", "It must not ask for a stream: this RPC answers in one piece.");
  const asked: AskedRelay = { operation: "transcribe", dialect, endpoint: path.slice("/v1".length), contentType, call };
  const reply = await runCall(callOf(context, "transcribe", model, labels, (target) => relayFor(asked, target)), pipeline);
  const pieces: Uint8Array[] = [];
  for await (const message of reply.messages) pieces.push(message.native);
  return create(TranscribeResponseSchema, { requestId: context.requestId, target: reply.target.name, native: { dialect, body: Buffer.concat(pieces) } });
}

function missing(field: string, description: string): GatewayError {
  return new GatewayError("INVALID_REQUEST", `${field}: ${description}`, { fieldViolations: [{ field, description }] });
}
