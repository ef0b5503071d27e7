/** Owns `weir ledger`: what a running Weir's ledger is asked to do over. */
import { createHash } from "node:crypto";
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { RatingDifference } from "#gen/weir/metering/v1/rerating_pb.ts";
import { counted } from "../terminal/counted.ts";
import type { Environment } from "../environment.ts";
import { readMoment } from "../terminal/moment.ts";
import { dollars } from "../terminal/nanos.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";
import { addReconcileCommand } from "./ledger-reconcile.ts";

type Metering = Client<typeof MeteringService>;

interface PeriodOptions extends RunningWeirOptions {
  readonly from: number;
  readonly until: number;
}

interface PartOptions extends RunningWeirOptions {
  readonly from?: number;
  readonly until?: number;
}

interface RerateOptions extends PeriodOptions {
  readonly priceVersion: string;
  readonly model?: string;
  readonly id?: string;
  readonly dryRun?: true;
}

export function addLedgerCommand(program: Command, environment: Environment): void {
  const ledger = program.command("ledger").description("re-rate, check, rebuild and reconcile the ledger");
  addPeriodOptions(ledger.command("rerate"))
    .description("rate a period again by another version of the price book, as adjusting entries")
    .requiredOption("--price-version <version>", "the version to rate by (see `weir prices history`)")
    .option("--model <name>", "only this model, vendor/model")
    .option("--id <id>", "the re-rating's id: one that stopped goes on by the same id (default: made of the other options)")
    .option("--dry-run", "say what would change, and change nothing")
    .action(async (options: RerateOptions) => rerate(options, await connect(MeteringService, options, environment)));
  addPartOptions(ledger.command("check"))
    .description("compare lines, postings, sums, balances and prices with each other; exits with 1 where they differ")
    .action(async (options: PartOptions) => check(options, await connect(MeteringService, options, environment)));
  addPartOptions(ledger.command("rebuild"))
    .description("compute sums and balances anew from the lines, while Weir runs")
    .action(async (options: PartOptions) => {
      const metering = await connect(MeteringService, options, environment);
      const { hours, rollups, balances } = await metering.rebuildLedger(periodOf(options));
      console.log(`Computed anew: ${counted(rollups, "sum")} of ${counted(hours, "hour")}, ${counted(balances, "balance")}.`);
    });
  addReconcileCommand(ledger, environment);
}

function addPeriodOptions(command: Command): Command {
  return addRunningWeirOptions(command)
    .requiredOption("--from <moment>", "attempts that started from then on: 2026-12-01, or 2026-12-01T08:00:00Z", readMoment)
    .requiredOption("--until <moment>", "and before then", readMoment);
}

function addPartOptions(command: Command): Command {
  return addRunningWeirOptions(command)
    .option("--from <moment>", "from the hour of this moment on: 2026-12-01, or 2026-12-01T08:00:00Z (default: from the first line)", readMoment)
    .option("--until <moment>", "up to the end of this moment's hour (default: to the last line)", readMoment);
}

function periodOf({ from, until }: PartOptions): { startTime?: Timestamp; endTime?: Timestamp } {
  return { ...(from === undefined ? {} : { startTime: timestampFromMs(from) }), ...(until === undefined ? {} : { endTime: timestampFromMs(until) }) };
}

async function check(options: PartOptions, metering: Metering): Promise<void> {
  const { attempts, differences } = await metering.checkLedger(periodOf(options));
  if (differences.length > 0) {
    console.log(table([["KIND", "ROW", "DIFFERENCE"], ...differences.map(({ kind, row, detail }) => [kind, row, detail])]).join("\n"));
    process.exitCode = 1;
  }
  console.log(`${counted(attempts, "attempt")} checked, ${differences.length === 0 ? "no difference" : counted(BigInt(differences.length), "difference")}.`);
}

async function rerate({ from, until, priceVersion, model = "", id, dryRun }: RerateOptions, metering: Metering): Promise<void> {
  const rerateId = id ?? createHash("sha256").update(JSON.stringify([priceVersion, from, until, model])).digest("hex").slice(0, 32);
  const order = { rerateId, startTime: timestampFromMs(from), endTime: timestampFromMs(until), priceVersion, model };
  const { differences } = await metering.rerateUsage({ ...order, dryRun: dryRun === true });
  // An id that was given before answers what was changed then.
  const left = dryRun === true ? [] : (await metering.rerateUsage({ ...order, dryRun: true })).differences;
  if (left.length > 0) {
    console.log(`That was done before, as ${rerateId}; since then other attempts came, or they were rated by another version. To rate those, give a new --id.`);
    process.exitCode = 1;
    return;
  }
  if (differences.length === 0) return console.log("Nothing in this period is rated by another version.");
  const header = ["MODEL", "ATTEMPTS", "CHANGED", "UNPRICED", "COST BEFORE", "COST AFTER", "CHARGE BEFORE", "CHARGE AFTER"];
  console.log(table([header, ...differences.map(describeDifference)], [1, 2, 3, 4, 5, 6, 7]).join("\n"));
  if (dryRun !== true) console.log(`Done, as ${rerateId}.`);
}

function describeDifference({ model, attempts, changedAttempts, unpricedAttempts, costBeforeNanos, costAfterNanos, chargeBeforeNanos, chargeAfterNanos }: RatingDifference): string[] {
  return [model, ...[attempts, changedAttempts, unpricedAttempts].map(String), ...[costBeforeNanos, costAfterNanos, chargeBeforeNanos, chargeAfterNanos].map(dollars)];
}
