/** Owns DeleteSession. */
import { create } from "@bufbuild/protobuf";
import { DeleteSessionResponseSchema, type DeleteSessionRequest, type DeleteSessionResponse } from "#gen/weir/policy/v1/session_pb.ts";
import type { Sessions } from "../../sessions.ts";

export async function deleteSession({ sessionId }: DeleteSessionRequest, sessions: Sessions): Promise<DeleteSessionResponse> {
  await sessions.end(sessionId);
  return create(DeleteSessionResponseSchema);
}
