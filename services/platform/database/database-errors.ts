/** Owns which failures of PostgreSQL mean that it is down or too slow, as opposed to a mistake of ours. */
import pg from "pg";
import { GatewayError } from "../errors.ts";

const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

/** Of SQLSTATE: connection lost, out of resources, statement or lock timeout, shutdown, not yet started. */
const unavailableStates = /^(08...|53...|55P03|57014|57P0[1235])$/;

// The driver gives these no code.
const driverMessages = [
  "Connection terminated",
  "timeout exceeded when trying to connect",
  "timeout expired",
  "Query read timeout",
  "Client has encountered a connection error",
  "Client was closed and is not queryable",
  "Cannot use a pool after calling end",
];

/** Of SQLSTATE: text that PostgreSQL does not store, as it is and within JSON, which is text with a NUL. It comes from callers alone. */
const unstorableText: ReadonlySet<string | undefined> = new Set(["22021", "22P05"]);

/**
 * DEPENDENCY_UNAVAILABLE when the error means that PostgreSQL is down or too slow, INVALID_REQUEST when a text holds a NUL;
 * any other error as it came.
 */
export function toDatabaseError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError && unstorableText.has(error.code)) {
    return new GatewayError("INVALID_REQUEST", "A text of the request holds a NUL character. Leave it out.", { cause: error });
  }
  if (!(error instanceof Error) || !meansUnavailable(error)) return error;
  return new GatewayError("DEPENDENCY_UNAVAILABLE", "The database does not answer at the moment; try again.", { cause: error });
}

function meansUnavailable(error: Error): boolean {
  const { code } = error as { readonly code?: unknown };
  if (typeof code === "string") return networkCodes.has(code) || unavailableStates.test(code);
  return driverMessages.some((message) => error.message.startsWith(message));
}
