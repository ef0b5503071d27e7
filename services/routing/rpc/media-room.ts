/** Owns what of the RPCs of InferenceService counts as media that is held, as long as the call lasts. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { NativePayload } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation, InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { CallContext, ServiceInterface } from "#platform/service-types.ts";
import { smallBytes, type ByteRoom } from "../domain/byte-room.ts";

type Service = ServiceInterface<typeof InferenceService>;

/** The same service, refusing with OVERLOADED what there is no room for beside what it holds. */
export function withMediaRoom(service: Service, room: ByteRoom): Service {
  const answer = <Request, Response>(method: (request: Request, context: CallContext) => Promise<Response>, bytesOf: (request: Request) => number) =>
    (request: Request, context: CallContext): Promise<Response> => {
      const bytes = bytesOf(request);
      return bytes === 0 ? method(request, context) : room.hold(bytes, () => method(request, context));
    };
  return {
    ...service,
    generate: answer(service.generate, ({ generation }) => large(bytesOfGeneration(generation!))),
    async *streamGenerate(request, context) {
      const release = room.take(large(bytesOfGeneration(request.generation!)));
      try {
        yield* service.streamGenerate(request, context);
      } finally {
        release();
      }
    },
    countTokens: answer(service.countTokens, ({ generation }) => large(bytesOfGeneration(generation!))),
    moderate: answer(service.moderate, ({ inputs, native }) => large(bytesOfNative(native) + inputs.reduce((sum, { parts }) => sum + bytesOfParts(parts), 0))),
    transcribe: answer(service.transcribe, ({ audio, native }) => audio.length + bytesOfNative(native)),
    editImages: answer(service.editImages, ({ images, mask, native }) => images.reduce((sum, { data }) => sum + data.length, mask?.data.length ?? 0) + bytesOfNative(native)),
    uploadFile: answer(service.uploadFile, ({ content }) => content.length),
  };
}

/** What is small where media may stand beside text is not counted: the number of calls bounds it. */
function large(bytes: number): number {
  return bytes > smallBytes ? bytes : 0;
}

function bytesOfGeneration({ native, messages }: Generation): number {
  let bytes = bytesOfNative(native);
  for (const { parts } of messages) bytes += bytesOfParts(parts);
  return bytes;
}

function bytesOfNative(native: NativePayload | undefined): number {
  return native?.body.length ?? 0;
}

function bytesOfParts(parts: readonly Part[]): number {
  let bytes = 0;
  for (const { kind } of parts) {
    if (kind.case === "toolResult") bytes += bytesOfParts(kind.value.parts);
    else if (kind.case === "image" || kind.case === "audio" || kind.case === "file") {
      const source = kind.value.media?.source;
      if (source?.case === "data") bytes += source.value.length;
    }
  }
  return bytes;
}
