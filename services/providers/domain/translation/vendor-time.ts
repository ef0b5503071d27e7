/** Owns reading when a vendor says that something was made: a time that cannot be one is as good as none. */
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { asCount, asText } from "./vendor-json.ts";

/** The last millisecond of the year 9999, where protobuf's time ends. */
const lastMs = 253_402_300_799_999;

/** From whole seconds since 1970. */
export function readSeconds(value: unknown): Timestamp | undefined {
  const seconds = asCount(value);
  return seconds === undefined ? undefined : timeAt(seconds * 1000);
}

/** From ISO 8601. */
export function readIsoTime(value: unknown): Timestamp | undefined {
  return timeAt(Date.parse(asText(value)));
}

function timeAt(milliseconds: number): Timestamp | undefined {
  return milliseconds >= 0 && milliseconds <= lastMs ? timestampFromMs(milliseconds) : undefined;
}
