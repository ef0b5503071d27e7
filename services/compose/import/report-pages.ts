/** Owns reading the vendors' reports as their APIs return them: pages of buckets of time, with results in each. */
import type { ReportLine } from "./report-line.ts";

export type Result = Readonly<Record<string, unknown>>;

export interface BucketFormat {
  /** Names of a bucket's bounds, and how they are read, in milliseconds since 1970. */
  readonly start: string;
  readonly end: string;
  readonly timeMs: (value: unknown) => number;
  /** Names of figures that are texts; every other text tells results apart. */
  readonly figures: readonly string[];
  readonly read: (result: Result) => Pick<ReportLine, "model" | "quantities" | "costNanos">;
}

/** Reads a page, or an array of all pages. Throws RangeError for what is no such report, or not all of it. */
export function readReport(text: string, format: BucketFormat): ReportLine[] {
  const json = JSON.parse(text) as unknown;
  const pages = (Array.isArray(json) ? json : [json]).map(objectOf);
  if (pages.at(-1)?.["has_more"] === true) throw new RangeError("the report goes on (has_more is true): write an array of all its pages.");
  return pages.flatMap((page) => listOf(page, "data").flatMap((bucket) => listOf(bucket, "results").map((result) => lineOf(bucket, result, format))));
}

function lineOf(bucket: Result, result: Result, { start, end, timeMs, figures, read }: BucketFormat): ReportLine {
  const startMs = timeMs(bucket[start]);
  const endMs = timeMs(bucket[end]);
  if (!(startMs < endMs)) throw new RangeError(`a bucket has no period: ${start} and ${end} are ${JSON.stringify(bucket[start])} and ${JSON.stringify(bucket[end])}.`);
  const names = Object.entries(result).filter(([name, value]) => !figures.includes(name) && (typeof value === "string" || typeof value === "boolean"));
  return { identity: [startMs, endMs, ...names.sort(([left], [right]) => (left < right ? -1 : 1)).flat()] as string[], startMs, endMs, ...read(result) };
}

export function objectOf(value: unknown): Result {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new RangeError("it is no report as the vendor's API returns it: an object with `data`.");
  return value as Result;
}

function listOf(holder: Result, name: string): Result[] {
  const list = holder[name];
  if (!Array.isArray(list)) throw new RangeError(`it is no report as the vendor's API returns it: \`${name}\` is no array.`);
  return list.map(objectOf);
}

/** A count; nothing is 0. */
export function countOf(value: unknown): bigint {
  if (value === undefined || value === null) return 0n;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  throw new RangeError(`${JSON.stringify(value)} is no count.`);
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
