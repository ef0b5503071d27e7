/** Owns what a failed call is told as: Weir's own words and reason, and a sentence where the role does not permit it. */
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";

/** `deed` completes «may not …»: `create keys`. */
export function failureSentence(error: unknown, role: string, deed: string): string {
  if (!(error instanceof ConnectError)) return error instanceof Error ? error.message : String(error);
  if (error.code === Code.PermissionDenied) return deniedSentence(error, role, deed);
  if (error.code === Code.DeadlineExceeded) return "Weir did not answer in time. Try again, or choose a shorter period.";
  return wordsOf(error);
}

/** Why a call of a model failed, as any caller would be told. */
export interface CallFailure {
  /** Such as `BUDGET_EXCEEDED`; empty where no Weir said one. */
  readonly reason: string;
  readonly message: string;
}

export function callFailureOf(thrown: unknown): CallFailure {
  const error = ConnectError.from(thrown);
  return { reason: error.findDetails(ErrorInfoSchema)[0]?.reason ?? "", message: wordsOf(error) };
}

function wordsOf(error: ConnectError): string {
  // What no server said: the connection failed, and the browser does not say why.
  if (error.code === Code.Unknown && error.cause instanceof TypeError) return `Weir does not answer at ${window.location.origin}. Is it running?`;
  return error.rawMessage;
}

function deniedSentence(error: ConnectError, role: string, deed: string): string {
  const permission = error.findDetails(ErrorInfoSchema)[0]?.metadata["permission"];
  const sentence = `Your role ${role.replaceAll("-", " ")} may not ${deed}`;
  return permission === undefined ? `${sentence}. ${error.rawMessage}` : `${sentence}: it lacks the permission ${permission}.`;
}
