/** Owns `weir usage export`: a file for those who charge usage back, written page by page to the standard output. */
import { once } from "node:events";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { stringify } from "csv-stringify/sync";
import { InvalidArgumentError, Option, type Command } from "commander";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { UsageOrder, UsageRowSchema, type UsageRow } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Environment } from "../environment.ts";
import { focusRecord, plainRecord, recordDimensions, subjectsOf, type ExportRecord, type RecordFormat } from "../export/chargeback.ts";
import { readMoment } from "../terminal/moment.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { SubjectNames } from "../terminal/subject-names.ts";

interface FileFormat {
  readonly record: RecordFormat;
  /** The columns are named on the first page, where there are no records, too: what reads the file knows an empty one by them. */
  readonly write: (records: readonly ExportRecord[], columns: readonly string[], isFirst: boolean) => string;
}

// A value that a spreadsheet would run as a formula is no formula.
const csv = (records: readonly ExportRecord[], columns: readonly string[], isFirst: boolean): string => stringify([...records], { header: isFirst, columns: [...columns], escape_formulas: true });
const ndjson = (records: readonly ExportRecord[]): string => records.map((record) => `${JSON.stringify(record)}\n`).join("");

const formats: Readonly<Record<string, FileFormat>> = {
  csv: { record: plainRecord, write: csv },
  ndjson: { record: plainRecord, write: ndjson },
  focus: { record: focusRecord, write: csv },
};

interface ExportOptions extends RunningWeirOptions {
  readonly format: string;
  readonly from: number;
  readonly until: number;
  readonly organization?: string;
  readonly label?: readonly string[];
}

export function addUsageExportCommand(usage: Command, environment: Environment): void {
  addRunningWeirOptions(usage.command("export"))
    .description("write what each key used and is charged by day, for charging it back")
    .addOption(new Option("--format <format>", "focus is the FinOps Foundation's FOCUS 1.2, as CSV").choices(Object.keys(formats)).default("csv"))
    .requiredOption("--from <moment>", "from this day, UTC, on: 2026-11-01", readDay)
    .requiredOption("--until <moment>", "up to this day, exclusive: 2026-12-01", readDay)
    .option("--organization <id>", "only this organization")
    .option("--label <name>", "apart by this declared label; repeat for more", (name: string, former: readonly string[] | undefined) => [...(former ?? []), name])
    .action(async (options: ExportOptions) => writeExport(options, environment));
}

const dayMs = 86_400_000;

/** A row says that it is of a whole day: of a part of one, it would be charged for the rest. */
function readDay(text: string): number {
  const dayStartMs = readMoment(text);
  if (dayStartMs % dayMs === 0) return dayStartMs;
  throw new InvalidArgumentError("Rows are of whole days, UTC: write 2026-11-01.");
}

async function writeExport({ format, from, until, organization = "", label = [], ...options }: ExportOptions, environment: Environment): Promise<void> {
  const { record, write } = formats[format]!;
  const metering = await connect(MeteringService, options, environment);
  const names = new SubjectNames(await connect(PolicyService, options, environment));
  const query = { groupBy: [...recordDimensions], groupByLabels: [...label], organizationId: organization, startTime: timestampFromMs(from), endTime: timestampFromMs(until), order: UsageOrder.GROUP, pageSize: 1_000 };
  const columns = Object.keys(record(create(UsageRowSchema, { group: ["1970-01-01"] }), label, () => ""));
  for (let pageToken = "", isFirst = true; isFirst || pageToken !== ""; isFirst = false) {
    const page = await metering.queryUsage({ ...query, pageToken });
    pageToken = page.nextPageToken;
    const rows = page.rows.filter(hasCalls);
    const nameOf = await names.of(rows.flatMap(subjectsOf));
    if (!process.stdout.write(write(rows.map((row) => record(row, label, nameOf)), columns, isFirst))) await once(process.stdout, "drain");
  }
}

/** What the cache answered has rows of its own, in which nothing was called. */
function hasCalls({ attempts }: UsageRow): boolean {
  return attempts > 0n;
}
