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

/**
 * Of SQLSTATE: connection lost, out of resources, a disk that fails, statement or lock timeout, a transaction that took too long,
 * shutdown, not yet started, and read only: a standby, or a server that has run out of disk.
 */
const unavailableStates = /^(08...|53...|58...|25006|25P0[34]|55P03|57014|57P0[1235])$/;

/** Of SQLSTATE: the role or its password is not taken, the database is not there. At the start that is a mistake in the URL; later the server has been changed. */
const refusedStates = /^(28...|3D000|57P04)$/;

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
  return refusedStates.test(codeOf(error) ?? "") ? unavailable(error) : toOpeningError(error);
}

/** Likewise, of a database that has not been open yet: a URL that it refuses is told as it came, for there is no sense in waiting. */
export function toOpeningError(error: unknown): unknown {
  if (error instanceof pg.DatabaseError && unstorableText.has(error.code)) {
    return new GatewayError("INVALID_REQUEST", "A text of the request holds a NUL character. Leave it out.", { cause: error });
  }
  if (!(error instanceof Error) || !meansUnavailable(error)) return error;
  return unavailable(error);
}

/** Whether nothing can be written where a connection leads to; a new one may lead elsewhere, as after a failover. */
export function isReadOnly(error: unknown): boolean {
  return codeOf(error instanceof GatewayError ? error.cause : error) === "25006";
}

function unavailable(cause: unknown): GatewayError {
  return new GatewayError("DEPENDENCY_UNAVAILABLE", "The database does not answer at the moment; try again.", { cause });
}

function meansUnavailable(error: Error): boolean {
  const code = codeOf(error);
  if (code !== undefined) return networkCodes.has(code) || unavailableStates.test(code);
  return driverMessages.some((message) => error.message.startsWith(message));
}

function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? code : undefined;
}
