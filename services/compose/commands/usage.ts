/** Owns `weir usage`: what was consumed and what it cost, from a running Weir's ledger. */
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { InvalidArgumentError, Option, type Command } from "commander";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { UsageDimension, type Latency, type UsageRow } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Meter } from "#gen/weir/types/v1/usage_pb.ts";
import { systemClock } from "#platform/clock.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { readMoment } from "../terminal/moment.ts";
import { dollars } from "../terminal/nanos.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { SubjectNames } from "../terminal/subject-names.ts";
import { table } from "../terminal/table.ts";
import { addUsageExportCommand } from "./usage-export.ts";

const times = { hour: UsageDimension.HOUR, day: UsageDimension.DAY, month: UsageDimension.MONTH };
const dimensions: Readonly<Record<string, UsageDimension>> = {
  organization: UsageDimension.ORGANIZATION,
  team: UsageDimension.TEAM,
  key: UsageDimension.KEY,
  model: UsageDimension.MODEL,
  vendor: UsageDimension.VENDOR,
  route: UsageDimension.ROUTE,
  ...times,
};
/** What is told by id, and by name beside it. */
const subjects: ReadonlySet<string> = new Set(["organization", "team", "key"]);
const inputMeters: readonly Meter[] = [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS];
const outputMeters: readonly Meter[] = [Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS];
const dayMs = 86_400_000;

/** A name of `dimensions`, or a label. */
type Grouping = { readonly name: string; readonly label?: string };

interface UsageOptions extends RunningWeirOptions {
  readonly by: readonly Grouping[];
  readonly granularity?: keyof typeof times;
  readonly days: number;
  readonly from?: number;
  readonly until?: number;
  readonly latency?: true;
  readonly watch?: true;
}

type Report = ReturnType<typeof readReport>;

export function addUsageCommand(program: Command, environment: Environment): void {
  // What stands behind `export` is its own.
  const usage = program.command("usage").enablePositionalOptions();
  addUsageExportCommand(usage, environment);
  addRunningWeirOptions(usage)
    .description("report usage and cost")
    .addOption(new Option("--by <dimensions>", `what to group by, in any order, with commas between: ${Object.keys(dimensions).join(", ")}, label:<name>`).argParser(readGroupings).default([{ name: "model" }], "model"))
    .option("--granularity <unit>", `a row for each ${Object.keys(times).join(" or ")}, in the order of time`, readGranularity)
    .option("--days <number>", "how many days back from --until", readDays, 30)
    .option("--from <moment>", "from this hour on, in place of --days: 2026-12-01, or 2026-12-01T08:00:00Z", readMoment)
    .option("--until <moment>", "up to the end of this hour (default: now)", readMoment)
    .option("--latency", "with percentiles of the time to the first byte and to the end")
    .option("--watch", "go on, and print the report again whenever it changes")
    .action(async (options: UsageOptions) => {
      const metering = await connect(MeteringService, options, environment);
      const names = new SubjectNames(await connect(PolicyService, options, environment));
      const report = readReport(options);
      await (options.watch === true ? watch(report, metering, names) : print(report, metering, names));
    });
}

function readGroupings(text: string): Grouping[] {
  return text.split(",").map((part) => {
    const name = part.trim();
    if (name.startsWith("label:") && name.length > 6) return { name, label: name.slice(6) };
    if (Object.hasOwn(dimensions, name)) return { name };
    throw new InvalidArgumentError(`"${name}" is none of ${Object.keys(dimensions).join(", ")}, label:<name>.`);
  });
}

function readGranularity(text: string): string {
  if (Object.hasOwn(times, text)) return text;
  throw new InvalidArgumentError(`Give one of ${Object.keys(times).join(", ")}.`);
}

function readDays(text: string): number {
  const days = Number(text);
  if (Number.isInteger(days) && days > 0 && days <= 3_650) return days;
  throw new InvalidArgumentError("Give a number of days from 1 to 3650.");
}

/** What to ask for, and in which columns to show it: Weir answers labels last. */
function readReport({ by, granularity, days, from, until, latency }: UsageOptions) {
  const groupings: readonly Grouping[] = granularity === undefined ? by : [{ name: granularity }, ...by.filter(({ name }) => name !== granularity)];
  const answered = [...groupings.filter(({ label }) => label === undefined), ...groupings.filter(({ label }) => label !== undefined)];
  return {
    columns: groupings.map((grouping) => ({ title: (grouping.label ?? grouping.name).toUpperCase(), place: answered.indexOf(grouping), isSubject: grouping.label === undefined && subjects.has(grouping.name) })),
    isChronological: granularity !== undefined,
    withLatency: latency === true,
    query: {
      groupBy: answered.flatMap(({ name, label }) => (label === undefined ? [dimensions[name]!] : [])),
      groupByLabels: answered.flatMap(({ label }) => (label === undefined ? [] : [label])),
      startTime: timestampFromMs(from ?? (until ?? systemClock.now()) - days * dayMs),
      ...(until === undefined ? {} : { endTime: timestampFromMs(until) }),
      withLatency: latency === true,
      pageSize: 1_000,
    },
  };
}

async function print(report: Report, metering: Client<typeof MeteringService>, names: SubjectNames): Promise<void> {
  await show(report, await everyPage((page) => metering.queryUsage({ ...report.query, ...page }), ({ rows }) => rows), names);
}

async function watch(report: Report, metering: Client<typeof MeteringService>, names: SubjectNames): Promise<void> {
  for await (const { rows, hasMore } of metering.watchUsage({ query: report.query })) {
    console.log(`\n${new Date(systemClock.now()).toISOString()}`);
    await show(report, rows, names);
    if (hasMore) console.log(`These are the first ${rows.length} rows, the dearest; there are more. Without --watch, all are shown.`);
  }
}

async function show({ columns, isChronological, withLatency }: Report, rows: readonly UsageRow[], names: SubjectNames): Promise<void> {
  const nameOf = await names.of(columns.filter(({ isSubject }) => isSubject).flatMap(({ place }) => rows.map(({ group }) => group[place]!)));
  const titles = columns.flatMap(({ title, isSubject }) => (isSubject ? [title, "NAME"] : [title]));
  const cells = ({ group }: UsageRow): string[] => columns.flatMap(({ place, isSubject }) => (isSubject ? [group[place]!, nameOf(group[place]!)] : [group[place]!]));
  const counts = ["ATTEMPTS", "FAILED", "ORPHANED", "UNPRICED", "INPUT", "OUTPUT", "COST USD", "CHARGE USD"];
  const cache = rows.some(({ cacheHits, cacheMisses }) => cacheHits + cacheMisses > 0n) ? ["CACHE HITS", "HIT %"] : [];
  const latencies = withLatency ? ["FIRST P50", "P95", "P99 ms", "END P50", "P95", "P99 ms"] : [];
  const header = [...titles, ...counts, ...cache, ...latencies];
  const lines = rows.map((row) => [...cells(row), ...describeCounts(row), ...(cache.length > 0 ? describeCache(row) : []), ...(withLatency ? [...describeLatency(row.firstByte), ...describeLatency(row.duration)] : [])]);
  // They come dearest first.
  if (isChronological) lines.sort((left, right) => (left[0]! < right[0]! ? -1 : left[0]! > right[0]! ? 1 : 0));
  console.log(table([header, ...lines], header.map((_, column) => column).slice(titles.length)).join("\n"));
  if (rows.length === 0) console.log("Nothing in this period.");
}

function describeCounts(row: UsageRow): string[] {
  const counts = [row.attempts, row.failedAttempts, row.orphanedAttempts, row.unpricedAttempts, sumOf(row, inputMeters), sumOf(row, outputMeters)];
  return [...counts.map(String), dollars(row.costNanos), dollars(row.chargeNanos)];
}

/** Hits, and their share in what was looked up, to a tenth. */
function describeCache({ cacheHits, cacheMisses }: UsageRow): string[] {
  const asked = cacheHits + cacheMisses;
  return [String(cacheHits), asked === 0n ? "–" : (Number((cacheHits * 1_000n) / asked) / 10).toFixed(1)];
}

function describeLatency(latency: Latency | undefined): string[] {
  return [latency?.p50Ms, latency?.p95Ms, latency?.p99Ms].map((ms) => String(ms ?? "–"));
}

function sumOf({ quantities }: UsageRow, meters: readonly Meter[]): bigint {
  return quantities.filter(({ meter }) => meters.includes(meter)).reduce((sum, { quantity }) => sum + quantity, 0n);
}
