/** Owns moments on the command line. */
import { InvalidArgumentError } from "commander";
import { momentMs } from "#platform/moment.ts";

/** A date (midnight UTC) or an RFC 3339 time, in milliseconds since 1970. */
export function readMoment(text: string): number {
  const timeMs = momentMs(text);
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError("Write 2026-12-01 or 2026-12-01T08:00:00Z.");
  return timeMs;
}
