/** Owns `weir requests`: why calls were refused or failed, which ones the cache answered, and what guardrails found in them. */
import { durationMs, timestampDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { InvalidArgumentError, Option, type Command } from "commander";
import { ErrorReason, ErrorReasonSchema } from "#gen/weir/errors/v1/error_reason_pb.ts";
import type { Attempt } from "#gen/weir/metering/v1/attempt_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { RequestOutcome, RequestOutcomeSchema, type GuardrailFinding, type PassedOverTarget, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import { AttemptResultSchema } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Environment } from "../environment.ts";
import { everyPage } from "../terminal/every-page.ts";
import { readLimit } from "../terminal/line-limit.ts";
import { readMoment } from "../terminal/moment.ts";
import { reasonName } from "../terminal/reason-name.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";
import { SubjectNames, type NameOf } from "../terminal/subject-names.ts";
import { table } from "../terminal/table.ts";

type Metering = Client<typeof MeteringService>;

interface RequestsOptions extends RunningWeirOptions {
  readonly request?: string;
  readonly organization?: string;
  readonly team?: string;
  readonly key?: string;
  readonly outcome?: RequestOutcome;
  readonly reason?: ErrorReason;
  readonly from?: number;
  readonly until?: number;
  readonly limit: number;
}

const outcomes: Readonly<Record<string, RequestOutcome>> = { refused: RequestOutcome.REFUSED, failed: RequestOutcome.FAILED, cached: RequestOutcome.CACHED, served: RequestOutcome.SERVED };

export function addRequestsCommand(program: Command, environment: Environment): void {
  addRunningWeirOptions(program.command("requests"))
    .description("list requests that were refused, failed, were answered by the cache, or in which guardrails found something, newest first")
    .option("--request <id>", "one of them, whole, with its attempts: req_…, as its reply had it in x-request-id")
    .option("--organization <id>", "only of this organization (default: all that the key reaches)")
    .option("--team <id>", "only of this team")
    .option("--key <id>", "only of this key")
    .addOption(new Option("--outcome <word>", `only those that were ${Object.keys(outcomes).join(", ")}`).argParser(readOutcome))
    .addOption(new Option("--reason <name>", "only those that were refused or failed for this reason, such as rate_limited").argParser(readReason))
    .option("--from <moment>", "of requests from then on: 2026-12-01, or 2026-12-01T08:00:00Z", readMoment)
    .option("--until <moment>", "and before then", readMoment)
    .option("--limit <number>", "at most so many lines", readLimit, 100)
    .action(async (options: RequestsOptions) => {
      const metering = await connect(MeteringService, options, environment);
      const names = new SubjectNames(await connect(PolicyService, options, environment));
      await (options.request === undefined ? list(options, metering, names) : show(options.request, metering, names));
    });
}

function readOutcome(text: string): RequestOutcome {
  if (Object.hasOwn(outcomes, text)) return outcomes[text]!;
  throw new InvalidArgumentError(`It is none of ${Object.keys(outcomes).join(", ")}.`);
}

function readReason(text: string): ErrorReason {
  const reason = ErrorReasonSchema.values.find(({ localName, number }) => number > 0 && localName === text.toUpperCase());
  if (reason !== undefined) return reason.number as ErrorReason;
  throw new InvalidArgumentError(`It is none of ${ErrorReasonSchema.values.slice(1).map(({ localName }) => localName.toLowerCase()).join(", ")}.`);
}

async function list({ organization = "", team = "", key = "", outcome, reason, from, until, limit }: RequestsOptions, metering: Metering, names: SubjectNames): Promise<void> {
  const query = {
    organizationId: organization,
    teamId: team,
    keyId: key,
    ...(outcome === undefined ? {} : { outcome }),
    ...(reason === undefined ? {} : { errorReason: reason }),
    ...(from === undefined ? {} : { startTime: timestampFromMs(from) }),
    ...(until === undefined ? {} : { endTime: timestampFromMs(until) }),
  };
  const records = await everyPage((page) => metering.listRequests({ ...query, ...page }), (page) => page.records, limit);
  const nameOf = await names.of(records.map(({ attribution }) => attribution!.keyId));
  console.log(table([["TIME", "REQUEST", "OUTCOME", "REASON", "COUNT", "MODEL", "KEY", "NAME", "WHY"], ...records.map((record) => describeLine(record, nameOf))], [4]).join("\n"));
  if (records.length === 0) console.log("None fits. Requests that were simply served are in `weir usage`, and a request's attempts in `weir requests --request`.");
}

function describeLine(record: RequestRecord, nameOf: NameOf): string[] {
  const { startTime, requestIds, outcome, errorReason, count, model, attribution } = record;
  return [timestampDate(startTime!).toISOString(), requestIds[0]!, outcomeName(outcome), errorReason === ErrorReason.UNSPECIFIED ? "" : reasonName(errorReason), String(count), printable(model), attribution!.keyId, nameOf(attribution!.keyId), shortened(whyOf(record))];
}

/** In one line. */
function whyOf({ outcome, errorMessage, findings, passedOver, target }: RequestRecord): string {
  if (errorMessage !== "") return printable(errorMessage);
  if (findings.length > 0) return findings.map(describeFinding).join("; ");
  if (outcome === RequestOutcome.CACHED) return `a kept reply of ${printable(target)}`;
  return passedOver.map(({ name, reason }) => `${printable(name)}: ${reasonName(reason)}`).join("; ");
}

async function show(requestId: string, metering: Metering, names: SubjectNames): Promise<void> {
  const [{ records }, { attempts }] = await Promise.all([metering.listRequests({ requestId }), metering.listAttempts({ requestId, pageSize: 100 })]);
  if (records.length + attempts.length === 0) {
    throw new GatewayError("NOT_FOUND", `Nothing is known of ${printable(requestId)}: its end is less than a few seconds ago, it is older than what is kept, it came without a key that is known, or it is of an organization that this key does not reach.`);
  }
  const nameOf = await names.of(records.flatMap(({ attribution }) => [attribution!.organizationId, attribution!.teamId, attribution!.keyId]));
  const lines = [...records.flatMap((record) => describeRecord(record, nameOf)), ...(attempts.length === 0 ? [] : ["", ...table([["ATTEMPT", "TARGET", "RESULT", "REASON", "MS"], ...attempts.toReversed().map(describeAttempt)], [4])])];
  console.log(lines.join("\n").trim());
}

function describeRecord({ requestIds, count, startTime, lastTime, duration, attribution, operation, model, route, outcome, errorReason, errorMessage, target, passedOver, findings }: RequestRecord, nameOf: NameOf): string[] {
  const { organizationId, teamId, keyId, labels } = attribution!;
  const facts: readonly (readonly [string, string])[] = [
    ["request", requestIds[0]!],
    ["time", timestampDate(startTime!).toISOString()],
    ["alike", count > 1n ? `${count} requests until ${timestampDate(lastTime!).toISOString()}` : ""],
    ["outcome", outcomeName(outcome)],
    ["reason", errorReason === ErrorReason.UNSPECIFIED ? "" : reasonName(errorReason)],
    ["message", printable(errorMessage)],
    ["took", duration === undefined ? "" : `${durationMs(duration)} ms`],
    ["operation", operation],
    ["model", printable(model)],
    ["route", printable(route)],
    ["target", printable(target)],
    ["organization", `${organizationId} ${nameOf(organizationId)}`],
    ["team", `${teamId} ${nameOf(teamId)}`],
    ["key", `${keyId} ${nameOf(keyId)}`],
    ["labels", Object.entries(labels).map(([name, value]) => printable(`${name}=${value}`)).join(", ")],
    ...passedOver.map((other) => ["passed over", describePassedOver(other)] as const),
    ...findings.map((finding) => ["guardrail", describeFinding(finding)] as const),
  ];
  return table(facts.filter(([, value]) => value !== ""));
}

function describePassedOver({ name, reason, message }: PassedOverTarget): string {
  return `${printable(name)}: ${reasonName(reason)}${message === "" ? "" : `. ${printable(message)}`}`;
}

function describeFinding({ rule, mode, detector, side }: GuardrailFinding): string {
  return printable(`${rule} (${mode}) found ${detector} in the ${side}`);
}

function describeAttempt({ event }: Attempt): string[] {
  const { intent, outcome } = event!;
  return [intent!.attemptId, printable(`${intent!.provider}/${intent!.model}`), (AttemptResultSchema.value[outcome!.result]?.localName ?? `result ${outcome!.result}`).toLowerCase(), outcome!.errorReason, String(outcome!.durationMs)];
}

function outcomeName(outcome: RequestOutcome): string {
  return RequestOutcomeSchema.value[outcome]?.localName.toLowerCase() ?? `outcome ${outcome}`;
}

/** Callers name models and labels as they like; a terminal takes some of that for commands. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "�");
}

function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
