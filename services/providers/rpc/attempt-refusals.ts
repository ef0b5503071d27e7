/** Owns what an attempt is refused for before anything of it is recorded: a target that is not there, another account, a start that comes too late. */
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError, toGatewayError } from "#platform/errors.ts";
import type { CredentialSource } from "../domain/credentials/credential-source.ts";
import type { LiveProvider, LiveProviders } from "../edge/live-providers.ts";

/** Routing asks for what it was told of: where that is not there, the configuration is being changed, and another process may have it already. */
export function targetIn(providers: Pick<LiveProviders, "get">, name: string, model: string | undefined): LiveProvider {
  try {
    return providers.get(name, model);
  } catch (error) {
    const { message } = toGatewayError(error);
    throw new GatewayError("UPSTREAM_UNAVAILABLE", `${message} If that was changed just now, try again in a moment.`, { metadata: { provider: name, unknown_target: "true" }, retryAfterMs: 1_000, cause: error });
  }
}

/** Files and batches belong to the account, whatever model reads them. */
export function isAboutNoModel({ operation }: AttemptRequest): boolean {
  return operation.case === "relay" && /^\/(?:files|batches|messages\/batches)\b/.test(operation.value.endpoint);
}

/** What lies in one account is not there in another, or is somebody else's under the same id. */
export function refuseOtherAccount(wasOwn: boolean, { organizationId }: CredentialSource): void {
  const isOwn = organizationId !== "";
  if (isOwn === wasOwn) return;
  const message = isOwn
    ? "What this call refers to lies in the installation's account at the vendor, and your organization's calls go to its own since it has brought a credential. Send it anew."
    : "What this call refers to lies in your organization's own account at the vendor, and its calls do not go there since it has removed its credential. Store one of that account again, or send it anew.";
  throw new GatewayError("NOT_FOUND", message, { metadata: { kind: "account" } });
}

/** What was waited for, a credential or files, may have taken all the time that there was to begin. */
export function refuseLate({ attemptId, startDeadlineTime }: AttemptRequest, nowMs: number): void {
  if (startDeadlineTime === undefined || nowMs <= timestampMs(startDeadlineTime)) return;
  throw new GatewayError("ATTEMPT_TOO_LATE", `The attempt ${attemptId} was not ready before its start deadline; nothing was sent. Make a new attempt.`);
}
