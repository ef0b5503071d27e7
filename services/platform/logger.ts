/** Owns logging: JSON lines by pino, one logger per service; prompts, replies and secrets are never logged. */
import { pino, type Logger } from "pino";
import { GatewayError, mayQuote } from "./errors.ts";
import { logDestination } from "./log-destination.ts";

export type { Logger };

/** `debug`, `info`, `warn`, `error` or `silent`. */
export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

/** A logger that writes to standard error, so that standard output stays for people. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: createTimestamp(),
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    logDestination,
  );
}

/** The time as pino wants it; many lines fall into one millisecond, and its text is dear. */
function createTimestamp(): () => string {
  let lastMs = 0;
  let text = "";
  return () => {
    const nowMs = Date.now();
    if (nowMs !== lastMs) {
      lastMs = nowMs;
      text = `,"time":"${new Date(nowMs).toISOString()}"`;
    }
    return text;
  };
}

function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  return {
    message: mayQuote(error) ? "in the words of others, which are the caller's alone" : error.message,
    ...(error instanceof GatewayError ? { reason: error.reason, metadata: error.metadata } : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
