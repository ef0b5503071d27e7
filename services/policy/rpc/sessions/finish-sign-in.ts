/** Owns FinishSignIn. */
import { create } from "@bufbuild/protobuf";
import { FinishSignInResponseSchema, type FinishSignInRequest, type FinishSignInResponse } from "#gen/weir/policy/v1/session_pb.ts";
import type { PolicyDependencies } from "../../dependencies.ts";
import type { ConsoleSignIn } from "../../edge/console-sign-in.ts";
import type { IdentityTokens } from "../../edge/identity-tokens.ts";
import { grantVouched } from "../../vouched-grant.ts";

export async function finishSignIn({ pendingSignIn, query }: FinishSignInRequest, dependencies: PolicyDependencies, signIn: ConsoleSignIn, tokens: IdentityTokens): Promise<FinishSignInResponse> {
  const { identityToken, returnPath } = await signIn.finish(pendingSignIn, query);
  const claims = await tokens.readFor(signIn.client, identityToken);
  const { grant, caller } = await grantVouched(tokens.identityOf(claims), dependencies);
  return create(FinishSignInResponseSchema, { identityToken, grant, caller, returnPath });
}
