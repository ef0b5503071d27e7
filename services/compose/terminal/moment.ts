/** Owns moments on the command line. */
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError } from "commander";
import { momentMs } from "#platform/moment.ts";

/** A date (midnight UTC) or an RFC 3339 time, in milliseconds since 1970. */
export function readMoment(text: string): number {
  const timeMs = momentMs(text);
  if (Number.isNaN(timeMs)) throw new InvalidArgumentError("Write 2026-12-01 or 2026-12-01T08:00:00Z.");
  return timeMs;
}

/** For tables: `2026-12-01 08:00Z`, UTC; empty where there is none. */
export function minuteText(time: Timestamp | undefined): string {
  return time === undefined ? "" : `${timestampDate(time).toISOString().slice(0, "2026-12-01T08:00".length).replace("T", " ")}Z`;
}
