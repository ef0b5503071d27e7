/** Owns how the command line words what failed. */
import { ConnectError } from "@connectrpc/connect";
import { ConfigFileError } from "#platform/config-file/config-file-error.ts";
import { fromConnectError, GatewayError } from "#platform/errors.ts";

/** The sentence that was written for people; the stack of what nobody foresaw. */
export function describeError(error: unknown): string {
  if (error instanceof ConfigFileError) return error.message;
  // Connect wraps what an interceptor throws.
  if (error instanceof ConnectError) return describeError(error.cause instanceof GatewayError ? error.cause : fromConnectError(error));
  if (error instanceof GatewayError) return error.cause === undefined || error.reason !== "INTERNAL" ? error.message : `${error.message}\n${describeError(error.cause)}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
