/** Owns `weir usage`: what was consumed and what it cost, from a running Weir's ledger. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { InvalidArgumentError, type Command } from "commander";
import { MeteringService, UsageDimension, type UsageRow } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { systemClock } from "#platform/clock.ts";
import type { Environment } from "../environment.ts";
import { dollars } from "../nanos.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../running-weir.ts";
import { table } from "../table.ts";

const dimensions: Readonly<Record<string, UsageDimension>> = {
  organization: UsageDimension.ORGANIZATION,
  team: UsageDimension.TEAM,
  key: UsageDimension.KEY,
  model: UsageDimension.MODEL,
  day: UsageDimension.DAY,
};
const inputMeters: readonly Meter[] = [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS];
const outputMeters: readonly Meter[] = [Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS];
const dayMs = 86_400_000;

interface UsageOptions extends RunningWeirOptions {
  readonly by: readonly string[];
  readonly days: number;
}

export function addUsageCommand(program: Command, environment: Environment): void {
  addRunningWeirOptions(program.command("usage"))
    .description("report usage and cost")
    .option("--by <dimensions>", `what to group by, in this order: ${Object.keys(dimensions).join(", ")}`, readDimensions, ["model"])
    .option("--days <number>", "how many days back", readDays, 30)
    .action(async (options: UsageOptions) => report(options, environment));
}

function readDimensions(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !(name in dimensions));
  if (unknown !== undefined) throw new InvalidArgumentError(`"${unknown}" is none of ${Object.keys(dimensions).join(", ")}.`);
  return names;
}

function readDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days > 0 && days <= 3_650) return days;
  throw new InvalidArgumentError("Give a number of days from 1 to 3650.");
}

async function report({ by, days, ...options }: UsageOptions, environment: Environment): Promise<void> {
  const metering = await connect(MeteringService, options, environment);
  const groupBy = by.map((name) => dimensions[name]!);
  const startTime = timestampFromMs(systemClock.now() - days * dayMs);
  const rows: string[][] = [[...by.map((name) => name.toUpperCase()), "ATTEMPTS", "FAILED", "ORPHANED", "UNPRICED", "INPUT", "OUTPUT", "COST USD"]];
  for (let pageToken = ""; ; ) {
    const page = await metering.queryUsage({ groupBy, startTime, pageSize: 1_000, pageToken });
    rows.push(...page.rows.map(describeRow));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  console.log(table(rows, rows[0]!.map((_, column) => column).slice(by.length)).join("\n"));
  if (rows.length === 1) console.log(`Nothing in the last ${days} days.`);
}

function describeRow(row: UsageRow): string[] {
  const counts = [row.attempts, row.failedAttempts, row.orphanedAttempts, row.unpricedAttempts, sumOf(row, inputMeters), sumOf(row, outputMeters)];
  return [...row.group, ...counts.map(String), dollars(row.costNanos)];
}

function sumOf({ quantities }: UsageRow, meters: readonly Meter[]): bigint {
  return quantities.filter(({ meter }) => meters.includes(meter)).reduce((sum, { quantity }) => sum + quantity, 0n);
}
