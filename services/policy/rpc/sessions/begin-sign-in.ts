/** Owns BeginSignIn. */
import { create } from "@bufbuild/protobuf";
import { BeginSignInResponseSchema, type BeginSignInRequest, type BeginSignInResponse } from "#gen/weir/policy/v1/session_pb.ts";
import type { ConsoleSignIn } from "../../edge/console-sign-in.ts";

export async function beginSignIn({ returnPath }: BeginSignInRequest, signIn: ConsoleSignIn): Promise<BeginSignInResponse> {
  const { authorizationUrl, pending } = await signIn.begin(returnPath);
  return create(BeginSignInResponseSchema, { authorizationUrl, pendingSignIn: pending });
}
