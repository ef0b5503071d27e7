/** Owns any other vendor's report: a CSV file, and which of its columns hold what. */
import { parse } from "csv-parse/sync";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { momentMs } from "#platform/moment.ts";
import { keepable, scaledDecimal } from "./decimal.ts";
import type { ReportLine } from "./report-line.ts";

/** Column names by what they hold, and of rows that are no request, the period from their time on. */
export interface CsvMapping {
  readonly columns: ReadonlyMap<string, string>;
  readonly period: "hour" | "day";
}

const meters: Readonly<Record<string, Meter>> = {
  input: Meter.INPUT_TOKENS,
  cached_input: Meter.CACHED_INPUT_TOKENS,
  cache_write_5m: Meter.CACHE_WRITE_5M_INPUT_TOKENS,
  cache_write_1h: Meter.CACHE_WRITE_1H_INPUT_TOKENS,
  output: Meter.OUTPUT_TOKENS,
  audio_input: Meter.AUDIO_INPUT_TOKENS,
  audio_output: Meter.AUDIO_OUTPUT_TOKENS,
  image_input: Meter.IMAGE_INPUT_TOKENS,
  image_output: Meter.IMAGE_OUTPUT_TOKENS,
  image: Meter.IMAGES,
  characters: Meter.CHARACTERS,
  audio_seconds: Meter.AUDIO_MILLISECONDS,
  search_unit: Meter.SEARCH_UNITS,
  web_search: Meter.WEB_SEARCHES,
};
/** What vendors write with a fraction, by how many places it is counted in finer units. */
const places: Readonly<Record<string, number>> = { audio_seconds: 3 };
const figureFields: ReadonlySet<string> = new Set(["cost", ...Object.keys(meters)]);
const fields = ["time", "model", "request", "cost", "line", ...Object.keys(meters)];
/** How counts and amounts are written, and that there is none. */
const figurePattern = /^(?:[-+]?[$]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?%?)?$/;
const periodMs = { hour: 3_600_000, day: 86_400_000 };

/** Reads `time=Date,model=Model,cost=Cost`. Throws RangeError for what cannot be held. */
export function readColumns(text: string): ReadonlyMap<string, string> {
  const columns = new Map(text.split(",").map((pair) => [pair.slice(0, pair.indexOf("=")).trim(), pair.slice(pair.indexOf("=") + 1).trim()]));
  for (const field of columns.keys()) if (!fields.includes(field)) throw new RangeError(`"${field}" is nothing that a column can hold: write pairs such as time=Date,cost=Cost with ${fields.join(", ")}.`);
  if (!columns.has("time")) throw new RangeError("no column holds the time: add time=<column>.");
  return columns;
}

/** A row is told from others by its `line`, else its `request`, else all that it holds beside its figures: those that have a column, and what else is a number. */
export function csvReader({ columns, period }: CsvMapping): (text: string) => ReportLine[] {
  const names = new Set([...columns].filter(([field]) => !figureFields.has(field)).map(([, column]) => column));
  const isName = (column: string, value: string): boolean => names.has(column) || !figurePattern.test(value);
  return (text) => {
    const rows = parse(text, { columns: true, bom: true, skip_empty_lines: true, trim: true }) as Record<string, string>[];
    return rows.map((row, index) => {
      try {
        return lineOf(row, columns, isName, periodMs[period]);
      } catch (error) {
        throw error instanceof RangeError ? new RangeError(`row ${index + 1}: ${error.message}`) : error;
      }
    });
  };
}

function lineOf(row: Readonly<Record<string, string>>, columns: ReadonlyMap<string, string>, isName: (column: string, value: string) => boolean, lengthMs: number): ReportLine {
  const cell = (field: string): string | undefined => {
    const column = columns.get(field);
    if (column === undefined) return undefined;
    if (!Object.hasOwn(row, column)) throw new RangeError(`it has no column "${column}".`);
    return row[column];
  };
  const upstreamRequestId = cell("request") ?? "";
  const startMs = timeOf(cell("time")!);
  const begin = Math.floor(startMs / lengthMs) * lengthMs;
  const cost = cell("cost");
  const quantities = Object.entries(meters).flatMap(([field, meter]) => (cell(field) === undefined ? [] : [[meter, quantityOf(cell(field)!, places[field])] as const]));
  return {
    identity: cell("line") !== undefined ? [cell("line")!] : upstreamRequestId !== "" ? [upstreamRequestId] : Object.entries(row).flatMap(([column, value]) => (isName(column, value) ? [value] : [])),
    upstreamRequestId,
    model: cell("model") ?? "",
    ...(upstreamRequestId === "" ? { startMs: begin, endMs: begin + lengthMs } : { startMs }),
    quantities,
    ...(cost === undefined ? {} : { costNanos: scaledDecimal(cost.replace(/^[$]/, ""), 9) }),
  };
}

/** A date, RFC 3339, or `2026-11-20 12:30:00`, which is UTC unless a zone stands behind it; or seconds since 1970. */
function timeOf(text: string): number {
  if (/^[0-9]{9,11}$/.test(text)) return Number(text) * 1_000;
  const [, date = "", time, zone = "UTC"] = /^([0-9-]+)(?:[ T]([0-9:.]+) ?(Z|UTC|[+-][0-9]{2}:[0-9]{2})?)?$/.exec(text) ?? [];
  const timeMs = momentMs(time === undefined ? date : `${date}T${time}${zone === "UTC" ? "Z" : zone}`);
  if (Number.isNaN(timeMs)) throw new RangeError(`"${text}" is no time: write 2026-11-20, 2026-11-20T12:30:00Z, or seconds since 1970.`);
  return timeMs;
}

function quantityOf(text: string, fractionPlaces = 0): bigint {
  if (fractionPlaces > 0 && /^[0-9]+[.][0-9]*$/.test(text)) return scaledDecimal(text, fractionPlaces);
  if (!/^[0-9]*$/.test(text)) throw new RangeError(`"${text}" is no count.`);
  return keepable(BigInt(text === "" ? 0 : text) * 10n ** BigInt(fractionPlaces), text);
}
