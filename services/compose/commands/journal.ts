/** Owns `weir journal`: which journals there are, what is in one, and that one is lost. */
import { resolve } from "node:path";
import { fromBinary, type DescEnum } from "@bufbuild/protobuf";
import { timestampDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { JournalState, JournalStateSchema, type Journal } from "#gen/weir/metering/v1/journal_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { AttemptIntentSchema, AttemptOutcomeSchema, AttemptResultSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { inspectJournal, type InspectedJournal } from "#platform/journal/inspect.ts";
import { DataDirectory, type LocalJournal } from "../data-directory.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

export function addJournalCommand(program: Command, environment: Environment): void {
  const journal = program.command("journal").description("list journals, look into them, and declare one lost");
  addRunningWeirOptions(journal.command("list"))
    .description("list the journals of the data directory, and those that the running Weir knows of")
    .action((options: RunningWeirOptions) => list(options, environment));
  journal
    .command("show <instance>")
    .description("show what is unconfirmed in a journal of the data directory, and what is damaged; changes nothing, also while a process writes it")
    .option("--data <directory>", "the data directory (default: .weir)")
    .action((instance: string, options: Pick<RunningWeirOptions, "data">) => show(instance, options, environment));
  addRunningWeirOptions(journal.command("lost <journal-id>"))
    .description("declare a journal lost: it is fenced, and its open attempts are posted as orphaned")
    .option("--reason <text>", "why, for whoever reads it later")
    .action((journalId: string, options: RunningWeirOptions & { readonly reason?: string }) => declareLost(journalId, options, environment));
}

async function list(options: RunningWeirOptions, environment: Environment): Promise<void> {
  const local = await localJournals(options, environment);
  const rows = await Promise.all(local.map(async (each) => describeLocal(each, await inspectJournal(each.directory))));
  console.log(`Here:\n${rows.length === 0 ? "none" : table([["INSTANCE", "JOURNAL", "PROCESS", "OPEN", "UNCONFIRMED", "DAMAGED"], ...rows], [3, 4, 5]).join("\n")}`);
  const registered = await registeredJournals(options, environment);
  if (registered instanceof GatewayError) console.log(`\nRegistered: not known. ${registered.message}`);
  else console.log(`\nRegistered:\n${registered.length === 0 ? "none" : table([["JOURNAL", "INSTANCE", "STATE", "REPORTED", "LOW WATER", "UNCONFIRMED", "OPEN"], ...registered.map(describeRegistered)], [5, 6]).join("\n")}`);
}

async function localJournals({ data }: Pick<RunningWeirOptions, "data">, environment: Environment): Promise<LocalJournal[]> {
  return new DataDirectory(resolve(data ?? environment.dataDirectory)).journals();
}

function describeLocal({ instance, isHeld }: LocalJournal, { id, entries, damages }: InspectedJournal): string[] {
  const open = entries.filter(({ settlePayload }) => settlePayload === undefined).length;
  return [instance, id ?? "none", isHeld ? "runs" : "none", String(open), String(entries.length - open), String(damages.length)];
}

/** The error where no Weir runs, or none that answers this. */
async function registeredJournals(options: RunningWeirOptions, environment: Environment): Promise<Journal[] | GatewayError> {
  try {
    const metering = await connect(MeteringService, options, environment);
    return await everyPage((page) => metering.listJournals(page), (page) => page.journals);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof GatewayError ? error.cause : error;
    if (cause instanceof GatewayError && (cause.reason === "DEPENDENCY_UNAVAILABLE" || cause.reason === "KEY_MISSING")) return cause;
    throw error;
  }
}

function describeRegistered({ journalId, instance, state, reportTime, lowWaterTime, unconfirmed, openAttempts, lostReason }: Journal): string[] {
  const stateText = state === JournalState.LOST ? `lost (${lostReason})` : nameOf(JournalStateSchema, state);
  return [journalId, instance, stateText, timeText(reportTime), timeText(lowWaterTime), String(unconfirmed), String(openAttempts)];
}

async function show(instance: string, options: Pick<RunningWeirOptions, "data">, environment: Environment): Promise<void> {
  const local = await localJournals(options, environment);
  const asked = local.find((each) => each.instance === instance || each.instance.endsWith(`/${instance}`));
  if (asked === undefined) {
    throw new GatewayError("NOT_FOUND", `There is no instance ${instance} here; there are ${local.map((each) => each.instance).join(", ") || "none"}.`);
  }
  const { id, segments, entries, damages, lostBegins, underWay } = await inspectJournal(asked.directory);
  const records = segments.reduce((sum, segment) => sum + segment.records, 0);
  console.log(`${asked.directory}\n${id ?? "no id"}; ${asked.isHeld ? "a process writes it" : "no process has it"}; ${records} records in ${segments.length} segments, ${entries.length} attempts unconfirmed`);
  if (underWay !== undefined) console.log(`${asked.isHeld ? "A write is under way" : "The last write was cut short; nobody was told that it was durable"}: ${underWay.file} at ${underWay.offset}`);
  for (const { file, offset } of damages) console.log(`CORRUPT: ${file} at ${offset}`);
  for (const { attemptId, file, offset } of lostBegins) console.log(`CORRUPT: the begin of ${attemptId} is lost; its settlement is in ${file} at ${offset}`);
  if (entries.length > 0) console.log(table([["ATTEMPT", "STARTED", "ORGANIZATION", "MODEL", "STATE"], ...entries.map(describeEntry)]).join("\n"));
}

function describeEntry({ id, beginPayload, settlePayload }: InspectedJournal["entries"][number]): string[] {
  const { startTime, attribution, provider, model } = fromBinary(AttemptIntentSchema, beginPayload);
  const state = settlePayload === undefined ? "open" : `${nameOf(AttemptResultSchema, fromBinary(AttemptOutcomeSchema, settlePayload).result)}, unconfirmed`;
  return [id, timeText(startTime), attribution?.organizationId ?? "", `${provider}/${model}`, state];
}

async function declareLost(journalId: string, { reason = "", ...options }: RunningWeirOptions & { readonly reason?: string }, environment: Environment): Promise<void> {
  const metering = await connect(MeteringService, options, environment);
  const { journal, postedAttempts } = await metering.declareJournalLost({ journalId, reason });
  if (journal?.state === JournalState.CLOSED) return console.log(`${journalId} had ended with nothing unconfirmed; nothing of it can be lost.`);
  console.log(`${journalId} is lost and fenced; ${postedAttempts} open attempts of it stand in the ledger. What began in it after its last report, ${timeText(journal?.reportTime)}, is not known.`);
}

function nameOf(enumeration: DescEnum, value: number): string {
  return (enumeration.value[value]?.localName ?? String(value)).toLowerCase().replaceAll("_", " ");
}

function timeText(time: Timestamp | undefined): string {
  return time === undefined ? "" : timestampDate(time).toISOString();
}
