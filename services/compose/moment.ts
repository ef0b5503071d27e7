/** Owns moments on the command line. */
import { InvalidArgumentError } from "commander";

/** A date (midnight UTC) or an RFC 3339 time, in milliseconds since 1970. */
export function readMoment(text: string): number {
  const timeMs = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError("Write 2026-12-01 or 2026-12-01T08:00:00Z.");
  return timeMs;
}
