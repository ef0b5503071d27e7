/** Owns `weir ledger reconcile`: a vendor's report is compared with the ledger of a running Weir. */
import { readFile } from "node:fs/promises";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError, Option, type Command } from "commander";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { ComparisonStatus, type UsageComparison } from "#gen/weir/metering/v1/reconciliation_pb.ts";
import { MeterSchema, type MeterQuantity } from "#gen/weir/types/v1/usage_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { readColumns, type CsvMapping } from "../import/csv-report.ts";
import { vendorReports, withIds, type VendorLine } from "../import/vendor-export.ts";
import { dollars } from "../terminal/nanos.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

interface ImportOptions extends RunningWeirOptions {
  readonly format: string;
  readonly vendor?: string;
  readonly account?: string;
  readonly columns?: ReadonlyMap<string, string>;
  readonly period: CsvMapping["period"];
  readonly replace?: boolean;
}

interface Report {
  readonly vendor: string;
  readonly lines: VendorLine[];
}

const maximumLines = 10_000;

const statusTexts: Readonly<Record<number, string>> = {
  [ComparisonStatus.EQUAL]: "equal",
  [ComparisonStatus.MISSING_HERE]: "missing here",
  [ComparisonStatus.MISSING_THERE]: "missing there",
  [ComparisonStatus.DIFFERENT]: "different",
};
const meterNames = new Map(MeterSchema.values.map(({ number, name }) => [number, name.replace("METER_", "").toLowerCase()]));

export function addReconcileCommand(ledger: Command, environment: Environment): void {
  const reconcile = ledger.command("reconcile").description("compare what vendors billed with the ledger");
  addRunningWeirOptions(reconcile.command("import <file>"))
    .description("compare a vendor's report with the ledger, correct attempts by it, and post the rest to the vendor's difference account")
    .addOption(new Option("--format <format>", "the report's format").choices(Object.keys(vendorReports)).makeOptionMandatory())
    .option("--vendor <name>", "of a CSV file: the vendor, as in the configuration's `vendor`")
    .option("--account <name>", "where the vendor bills several accounts: whose report this is, so that it stands beside those of the others")
    .option("--columns <pairs>", "of a CSV file: which columns hold what: time=Date,model=Model,request=Id,cost=Cost,input=Prompt,output=Completion", columnsOf)
    .addOption(new Option("--period <period>", "of a CSV file: what a row without a request is about, from its time on").choices(["hour", "day"]).default("hour"))
    .option("--replace", "the file has all lines of its periods: take those away that stand from former imports and are not in it")
    .action(async (file: string, options: ImportOptions) => {
      if (options.replace === true && options.account !== undefined) throw new GatewayError("INVALID_REQUEST", "A report of one account has not all lines of its periods: leave --replace or --account out.");
      const { vendor, lines } = await readVendorReport(file, options);
      const metering = await connect(MeteringService, options, environment);
      const { comparisons, formerLines } = await metering.reconcileUsage({ vendor, source: options.format, lines, replacePeriods: options.replace === true });
      console.log(describe(vendor, comparisons).join("\n"));
      if (formerLines > 0n && options.account === undefined) console.log(`Counted with them: ${formerLines} lines of the same periods that stand from former imports and are not in this file. Where it has all lines, import it with --replace.`);
    });
}

function columnsOf(text: string): ReadonlyMap<string, string> {
  try {
    return readColumns(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** Throws INVALID_REQUEST for a file that cannot be read. */
async function readVendorReport(path: string, { format, vendor, account, columns, period }: ImportOptions): Promise<Report> {
  const isCsv = format === "csv";
  if (isCsv && (columns === undefined || vendor === undefined)) throw new GatewayError("INVALID_REQUEST", "A CSV file says neither whose it is nor what its columns hold: add --vendor and --columns.");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new GatewayError("INVALID_REQUEST", `${path} cannot be read: ${(error as Error).message}`);
  });
  const report = vendorReports[format]!({ columns: columns ?? new Map(), period });
  const lines = readable(path, format, () => withIds(report.read(text), account));
  if (lines.length > maximumLines) throw new GatewayError("INVALID_REQUEST", `${path} has ${lines.length} lines; at most ${maximumLines} are compared at once: split it by days.`);
  return { vendor: report.vendor ?? vendor!, lines };
}

function readable<Value>(path: string, format: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    throw new GatewayError("INVALID_REQUEST", `${path} cannot be read as ${format}: ${(error as Error).message}`);
  }
}

function describe(vendor: string, comparisons: readonly UsageComparison[]): string[] {
  const header = ["STATUS", "FROM", "MODEL", "REQUEST", "HERE", "THERE", "COST HERE", "COST THERE", "DIFFERENCE"];
  const rows = comparisons.map((comparison) => [
    `${statusText(comparison)}${comparison.corrected ? ", corrected" : ""}`,
    timestampDate(comparison.startTime!).toISOString().replace(/:00\.000Z$/, "Z"),
    comparison.model || "-",
    comparison.upstreamRequestId || "-",
    quantitiesText(comparison.ledgerQuantities),
    quantitiesText(comparison.vendorQuantities),
    dollars(comparison.ledgerCostNanos),
    comparison.vendorCostNanos === undefined ? "-" : dollars(comparison.vendorCostNanos),
    dollars(comparison.differenceNanos),
  ]);
  const difference = comparisons.reduce((sum, { differenceNanos }) => sum + differenceNanos, 0n);
  const counts = [...Map.groupBy(comparisons, statusText)].map(([status, alike]) => `${alike.length} ${status}`);
  return [...(rows.length === 0 ? [] : table([header, ...rows], [6, 7, 8])), `${counts.join(", ") || "nothing to compare"}; on difference:${vendor} because of them: ${dollars(difference)}.`];
}

function statusText({ status }: UsageComparison): string {
  return statusTexts[status] ?? "unknown";
}

function quantitiesText(quantities: readonly MeterQuantity[]): string {
  return quantities.map(({ meter, quantity }) => `${meterNames.get(meter) ?? meter}:${quantity}`).join(" ") || "-";
}
