/** Owns moments as people read them: in the reader's own time zone, to the second. */
import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";

const minuteMs = 60_000;
const steps: readonly (readonly [number, Intl.RelativeTimeFormatUnit])[] = [[86_400_000, "day"], [3_600_000, "hour"], [minuteMs, "minute"]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });

/** `2026-11-21 20:45:03`; a dash where there is none. */
export function moment(time: Timestamp | undefined): string {
  if (time === undefined) return "–";
  const date = new Date(timestampMs(time));
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `3 hours ago`, `in 2 days`; `just now` within a minute. */
export function distance(time: Timestamp, nowMs: number): string {
  const differenceMs = timestampMs(time) - nowMs;
  const step = steps.find(([sizeMs]) => Math.abs(differenceMs) >= sizeMs);
  return step === undefined ? "just now" : relative.format(Math.trunc(differenceMs / step[0]), step[1]);
}
