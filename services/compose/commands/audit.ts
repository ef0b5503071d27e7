/** Owns `weir audit`: who did what in a running Weir, and the proof that nobody changed the record of it. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { create } from "@bufbuild/protobuf";
import { timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import type { Command } from "commander";
import { AuditHeadSchema, type AuditHead } from "#gen/weir/metering/v1/audit_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { counted } from "../terminal/counted.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { readLimit } from "../terminal/line-limit.ts";
import { readMoment } from "../terminal/moment.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { table } from "../terminal/table.ts";

type Metering = Client<typeof MeteringService>;

interface OrganizationOptions extends RunningWeirOptions {
  readonly organization?: string;
}

interface ListOptions extends OrganizationOptions {
  readonly from?: number;
  readonly until?: number;
  readonly by?: string;
  readonly method?: string;
  readonly limit: number;
}

interface VerifyOptions extends OrganizationOptions {
  readonly heads?: string;
}

export function addAuditCommand(program: Command, environment: Environment): void {
  const audit = program.command("audit").description("see who did what, and verify that nobody changed the record of it");
  addRunningWeirOptions(audit.command("list"))
    .description("list management calls and changes of the configuration, newest first")
    .option("--organization <id>", "only of this organization (default: all that the key reaches)")
    .option("--from <moment>", "from then on: 2026-12-01, or 2026-12-01T08:00:00Z", readMoment)
    .option("--until <moment>", "and before then", readMoment)
    .option("--by <key id>", "only by this key")
    .option("--method <name>", "only calls of this method, such as CreateKey")
    .option("--limit <number>", "at most so many", readLimit, 100)
    .action(async (options: ListOptions) => list(options, await connect(MeteringService, options, environment)));
  addRunningWeirOptions(audit.command("verify"))
    .description("compute the chains of the audit log anew; exits with 1 where they do not hold")
    .option("--organization <id>", "only of this organization (default: all that the key reaches)")
    .option("--heads <file>", "a file outside of Weir that keeps how far the logs were: what was there the last time must be there still")
    .action(async (options: VerifyOptions) => verify(options, await connect(MeteringService, options, environment)));
  addRunningWeirOptions(audit.command("export"))
    .description("print one log as NDJSON in its order, with the texts as they were hashed")
    .option("--organization <id>", "of this organization (default: the key's own, or of the installation's admin the installation's)")
    .action(async (options: OrganizationOptions) => exportLinks(options, await connect(MeteringService, options, environment)));
}

async function list({ organization = "", from, until, by = "", method = "", limit }: ListOptions, metering: Metering): Promise<void> {
  const query = { organizationId: organization, actor: by, method, ...(from === undefined ? {} : { startTime: timestampFromMs(from) }), ...(until === undefined ? {} : { endTime: timestampFromMs(until) }) };
  const entries = await everyPage((page) => metering.listAuditEntries({ ...query, ...page }), (page) => page.entries, limit);
  const rows = entries.map((entry) => [timestampDate(entry.recordTime!).toISOString(), entry.organizationId, entry.actor, entry.address, entry.method.split("/").at(-1)!, entry.outcome, entry.requestJson]);
  console.log(table([["TIME", "ORGANIZATION", "BY", "FROM", "METHOD", "OUTCOME", "REQUEST"], ...rows]).join("\n"));
}

async function verify({ organization = "", heads: path }: VerifyOptions, metering: Metering): Promise<void> {
  const knownHeads = path === undefined ? [] : await readHeads(path);
  const { entries, heads, anchors, faults } = await metering.verifyAuditLog({ organizationId: organization, knownHeads });
  if (faults.length > 0) {
    console.log(table([["ORGANIZATION", "ENTRY", "FAULT"], ...faults.map(({ organizationId, sequence, detail }) => [organizationId, String(sequence), detail])], [1]).join("\n"));
    process.exitCode = 1;
  } else if (path !== undefined) await writeHeads(path, knownHeads, heads);
  if (anchors.length > 0) {
    const rows = anchors.map(({ organizationId, sequence, hash, recordTime }) => [organizationId, String(sequence + 1n), timestampDate(recordTime!).toISOString(), hash]);
    console.log(table([["ORGANIZATION", "VERIFIED FROM", "GONE UNTIL", "BEHIND THE HASH"], ...rows], [1]).join("\n"));
  }
  console.log(`${counted(entries, "entry", "entries")} of ${counted(BigInt(heads.length), "log")} verified, ${faults.length === 0 ? "nothing was changed" : counted(BigInt(faults.length), "fault")}.`);
}

/** A line for each log: its organization (`-` for the installation's), sequence and hash. A file that is not there yet has none. */
async function readHeads(path: string): Promise<AuditHead[]> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [, organizationId, sequence, hash] = /^(\S+) ([0-9]{1,18}) ([0-9a-f]{64})$/.exec(line) ?? [];
    if (organizationId === undefined) throw new GatewayError("INVALID_REQUEST", `${path}: "${line.slice(0, 100)}" is no head of an audit log. Name a file that \`weir audit verify --heads\` has written.`);
    return create(AuditHeadSchema, { organizationId: organizationId === "-" ? "" : organizationId, sequence: BigInt(sequence!), hash: hash! });
  });
}

/** Whole or not at all: what was known stays known, also of logs that were not verified this time. */
async function writeHeads(path: string, known: readonly AuditHead[], verified: readonly AuditHead[]): Promise<void> {
  const heads = new Map([...known, ...verified].map((head) => [head.organizationId || "-", head]));
  const temporary = `${path}.new`;
  await writeFile(temporary, [...heads].map(([organizationId, { sequence, hash }]) => `${organizationId} ${sequence} ${hash}\n`).join(""));
  await rename(temporary, path);
}

async function exportLinks({ organization = "" }: OrganizationOptions, metering: Metering): Promise<void> {
  let pageToken = "";
  do {
    const page = await metering.listAuditLinks({ organizationId: organization, pageSize: 1_000, pageToken });
    // Before the first link, whose hash is computed from it.
    if (pageToken === "" && page.anchor !== undefined) console.log(JSON.stringify({ sequence: Number(page.anchor.sequence), hash: page.anchor.hash }));
    for (const { sequence, hash, entry } of page.links) console.log(JSON.stringify({ sequence: Number(sequence), hash, entry }));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
}
