/** Owns the form of replies in the cache: their messages one after the other, each behind its length. */
import { fromBinary } from "@bufbuild/protobuf";
import { sizeDelimitedEncode, sizeDelimitedPeek } from "@bufbuild/protobuf/wire";
import { AttemptResponseSchema, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";

/** Without what a vendor said of that one call alone: its id there, and what was left of limits. */
export function bytesOf(message: AttemptResponse): Uint8Array {
  const { start } = message;
  return sizeDelimitedEncode(AttemptResponseSchema, start === undefined ? message : { ...message, start: { ...start, upstreamRequestId: "", headers: {}, rateLimits: [] } });
}

/** One at a time, as they are asked for. */
export async function* messagesIn(bytes: Uint8Array): AsyncGenerator<AttemptResponse, void> {
  for (let rest = bytes; rest.length > 0; ) {
    const { offset, size } = sizeDelimitedPeek(rest);
    const end = offset! + size!;
    yield fromBinary(AttemptResponseSchema, rest.subarray(offset!, end));
    rest = rest.subarray(end);
  }
}
