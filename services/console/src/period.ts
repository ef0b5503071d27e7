/** Owns the periods that reports are asked for, and their hours or days: in UTC, as the ledger counts them. */
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { UsageDimension } from "#gen/weir/metering/v1/usage_report_pb.ts";

interface PeriodFacts {
  readonly title: string;
  readonly bucket: Bucket;
  readonly buckets: number;
}

type Bucket = "hour" | "day";

export const periods = {
  "24h": { title: "24 hours", bucket: "hour", buckets: 24 },
  "7d": { title: "7 days", bucket: "hour", buckets: 168 },
  "30d": { title: "30 days", bucket: "day", buckets: 30 },
  "90d": { title: "90 days", bucket: "day", buckets: 90 },
} as const satisfies Readonly<Record<string, PeriodFacts>>;

export type Period = keyof typeof periods;

const sizeMs = { hour: 3_600_000, day: 86_400_000 };
const dimensions = { hour: UsageDimension.HOUR, day: UsageDimension.DAY };

export function isPeriod(text: string | null): text is Period {
  return text !== null && Object.hasOwn(periods, text);
}

/** When the period began that ends with the hour or day of now. */
export function startOf(period: Period, nowMs: number): Timestamp {
  return timestampFromMs(startMsOf(period, nowMs));
}

export function bucketDimensionOf(period: Period): UsageDimension {
  return dimensions[periods[period].bucket];
}

/** The period's hours or days in their order: their start, and their name in a report. */
export function bucketsOf(period: Period, nowMs: number): { readonly startMs: number; readonly name: string }[] {
  const { bucket, buckets } = periods[period];
  const beginMs = startMsOf(period, nowMs);
  return Array.from({ length: buckets }, (_, index) => {
    const startMs = beginMs + index * sizeMs[bucket];
    return { startMs, name: new Date(startMs).toISOString().slice(0, bucket === "hour" ? 13 : 10) };
  });
}

function startMsOf(period: Period, nowMs: number): number {
  const { bucket, buckets } = periods[period];
  const size = sizeMs[bucket];
  return Math.floor(nowMs / size) * size - (buckets - 1) * size;
}
