/** Owns logging: JSON lines by pino, one logger per service; prompts, replies and secrets are never logged. */
import { pino, type Logger } from "pino";
import { GatewayError } from "./errors.ts";

export type { Logger };

/** `debug`, `info`, `warn`, `error` or `silent`. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** A logger that writes to standard error, so that standard output stays for people. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    pino.destination({ dest: 2, sync: false, minLength: 0 }),
  );
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return {
    message: error.message,
    ...(error instanceof GatewayError ? { reason: error.reason, metadata: error.metadata } : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
