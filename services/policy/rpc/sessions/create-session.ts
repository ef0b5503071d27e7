/** Owns CreateSession. */
import type { CreateSessionRequest, CreateSessionResponse } from "#gen/weir/policy/v1/session_pb.ts";
import type { ConsoleSignIn } from "../../edge/console-sign-in.ts";
import type { IdentityTokens } from "../../edge/identity-tokens.ts";
import type { Sessions } from "../../sessions.ts";

export async function createSession({ credential }: CreateSessionRequest, sessions: Sessions, signIn: ConsoleSignIn, tokens: IdentityTokens): Promise<CreateSessionResponse> {
  if (credential.case === "identityToken") return sessions.open({ claims: await tokens.readFor(signIn.client, credential.value) });
  return sessions.open({ keySecretDigest: credential.value ?? new Uint8Array() });
}
