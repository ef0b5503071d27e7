/** Owns ReconcileUsage: a vendor's lines are compared, attempts corrected by them, and what is left is posted to the vendor's difference account. */
import { create } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { ComparisonStatus, ReconcileUsageResponseSchema, UsageComparisonSchema, type ReconcileUsageRequest, type ReconcileUsageResponse, type UsageComparison } from "#gen/weir/metering/v1/reconciliation_pb.ts";
import { RecordUsageRequestSchema, type RecordUsageRequest, type RecordUsageResponse } from "#gen/weir/metering/v1/usage_recording_pb.ts";
import { AttemptResult, type UsageEvent } from "#gen/weir/metering/v1/usage_event_pb.ts";
import { Meter, UsageSchema, UsageSource, type MeterQuantity } from "#gen/weir/types/v1/usage_pb.ts";
import type { Database, Queryable } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Identity } from "#platform/rpc/service-types.ts";
import { hourMs } from "../../domain/ledger-difference.ts";
import { agree, compareModels, isSameUsage, matchRequests, type LedgerUsage, type VendorLine } from "../../domain/reconcile.ts";
import { outranks } from "../../domain/usage-event.ts";
import type { AttemptRow } from "../../store/attempt-list.ts";
import { lockBalances } from "../../store/fold-deltas.ts";
import { countOthers, deleteOthers, hasLineOf, postDifferences, saveLines, selectCandidates, selectCosts, selectFormerPlaces, selectLedgerUsage, selectLines, selectPosted, selectPostedForRequests, selectUnlisted, type FormerPlace, type VendorDifference, type VendorPeriod, type VendorSource } from "../../store/vendor-lines.ts";
import { nameOf } from "../caller.ts";
import { hoursWithin } from "../usage/hours-asked.ts";
import { toAttempt } from "../usage/list-attempts.ts";
import { meterQuantities } from "../usage/meter-quantities.ts";

export interface ReconcileDependencies {
  readonly database: Database;
  readonly record: (request: RecordUsageRequest) => Promise<RecordUsageResponse>;
}

/** A line about a request, and the attempt that it is of. */
interface RequestMatch {
  readonly line: VendorLine;
  readonly attempt: AttemptRow | undefined;
}

const eventsAtOnce = 500;
const maximumUnlisted = 1_000;
/** A vendor's clock, and the moment that it calls a request's time, differ from the start of the attempt. */
const clockLeewayMs = 24 * hourMs;

/** Throws INVALID_REQUEST for lines that contradict each other. */
export async function reconcileUsage({ database, record }: ReconcileDependencies, request: ReconcileUsageRequest, identity: Identity, signal: AbortSignal): Promise<ReconcileUsageResponse> {
  const { vendor } = request;
  const lines = readLines(request);
  const source: VendorSource = { vendor, source: request.source };
  const requests = await findAttempts(database, vendor, lines.filter(({ upstreamRequestId }) => upstreamRequestId !== ""));
  const corrected = await correctAttempts(record, requests, signal);
  const postedBy = nameOf(identity);

  // A transaction each: what adds to balances meanwhile waits for one period only, and what stopped on its way goes on when the lines come again.
  const settle = <Result>(work: (transaction: Queryable) => Promise<Result>) => database.transaction((transaction) => lockBalances(transaction).then(() => work(transaction)));
  for (const { former, moved } of await findMoved(database, source, lines)) {
    signal.throwIfAborted();
    await settle(async (transaction) => {
      await saveLines(transaction, source, moved, postedBy);
      await settleFormer(transaction, source, former, postedBy, signal);
    });
  }
  const periods = periodsOf(lines);
  const comparisons = await settle(async (transaction) => {
    if (lines.length > 0) await saveLines(transaction, source, lines, postedBy);
    if (request.replacePeriods) await deleteOthers(transaction, source, periods, lines);
    return settleRequests(transaction, source, requests, corrected, postedBy);
  });
  for (const period of periods) {
    signal.throwIfAborted();
    comparisons.push(...(await settle((transaction) => settlePeriod(transaction, source, period, postedBy, signal))));
  }
  comparisons.sort((left, right) => timestampMs(left.startTime!) - timestampMs(right.startTime!));
  return create(ReconcileUsageResponseSchema, { comparisons, formerLines: await countOthers(database, source, periods, lines) });
}

function readLines({ lines }: ReconcileUsageRequest): VendorLine[] {
  const read = lines.map(({ lineId, upstreamRequestId, model, startTime, endTime, quantities, costNanos }): VendorLine => {
    const startMs = timestampMs(startTime!);
    const endMs = upstreamRequestId === "" && endTime !== undefined ? timestampMs(endTime) : startMs;
    if (upstreamRequestId === "" && endMs <= startMs) throw new GatewayError("INVALID_REQUEST", `The line ${lineId} is of no request, and its end_time is not after its start_time.`);
    if (quantities.some(({ meter }) => meter === Meter.UNSPECIFIED)) throw new GatewayError("INVALID_REQUEST", `The line ${lineId} has a quantity without a meter. Say what it counts.`);
    return { lineId, upstreamRequestId, model, startMs, endMs, quantities: quantities.length === 0 ? undefined : listOf(quantities), costNanos };
  });
  for (const name of ["lineId", "upstreamRequestId"] as const) {
    const twice = [...Map.groupBy(read, (line) => line[name])].find(([value, alike]) => value !== "" && alike.length > 1);
    if (twice !== undefined) throw new GatewayError("INVALID_REQUEST", `Two lines have the ${name === "lineId" ? "line_id" : "upstream_request_id"} ${twice[0]}: send each line once.`);
  }
  return read;
}

function listOf(quantities: readonly MeterQuantity[]): bigint[] {
  const list = Array.from({ length: Math.max(...quantities.map(({ meter }) => meter)) }, () => 0n);
  for (const { meter, quantity } of quantities) list[meter - 1]! += quantity;
  return list;
}

async function findAttempts(database: Database, vendor: string, lines: readonly VendorLine[]): Promise<RequestMatch[]> {
  if (lines.length === 0) return [];
  const rows = await selectCandidates(database, vendor, periodAround(lines, clockLeewayMs), lines.map(({ upstreamRequestId }) => upstreamRequestId), UsageSource.ORPHANED);
  const byId = new Map(rows.map((row) => [row.attempt_id, row]));
  const matched = matchRequests(lines, rows.map((row) => ({ attemptId: row.attempt_id, startMs: row.start_time.getTime(), model: row.model, servedModel: row.served_model, upstreamRequestId: row.upstream_request_id, rank: row.rank as UsageSource })));
  return lines.map((line) => ({ line, attempt: byId.get(matched.get(line) ?? "") }));
}

function periodAround(lines: readonly VendorLine[], leewayMs: number): VendorPeriod {
  const times = lines.map(({ startMs }) => startMs);
  return { startMs: times.reduce((least, time) => Math.min(least, time)) - leewayMs, endMs: times.reduce((most, time) => Math.max(most, time)) + leewayMs };
}

/** Posts the vendor's figures as events of rank imported, and returns the attempts that they correct. */
async function correctAttempts(record: ReconcileDependencies["record"], requests: readonly RequestMatch[], signal: AbortSignal): Promise<ReadonlySet<string>> {
  const events = requests.flatMap(({ line, attempt }) => (attempt !== undefined && isCorrected(line, attempt) ? [importedEvent(line, attempt)] : []));
  for (let begin = 0; begin < events.length; begin += eventsAtOnce) {
    signal.throwIfAborted();
    await record(create(RecordUsageRequestSchema, { events: events.slice(begin, begin + eventsAtOnce) }));
  }
  return new Set(events.map(({ intent }) => intent!.attemptId));
}

function isCorrected({ quantities }: VendorLine, { rank, quantities: known }: AttemptRow): boolean {
  if (quantities === undefined || !outranks(UsageSource.IMPORTED, rank as UsageSource)) return false;
  return outranks(UsageSource.PROVIDER, rank as UsageSource) || !isSameUsage(quantities, known ?? []);
}

function importedEvent({ upstreamRequestId, quantities }: VendorLine, attempt: AttemptRow): UsageEvent {
  const event = toAttempt(attempt).event!;
  const outcome = event.outcome!;
  // The vendor answered what it bills.
  if (outcome.result === AttemptResult.ORPHANED) outcome.result = AttemptResult.SUCCEEDED;
  outcome.upstreamRequestId = upstreamRequestId;
  outcome.usage = create(UsageSchema, { source: UsageSource.IMPORTED, quantities: meterQuantities(quantities!) });
  return { ...event, rank: UsageSource.IMPORTED };
}

async function settleRequests(transaction: Queryable, source: VendorSource, requests: readonly RequestMatch[], corrected: ReadonlySet<string>, postedBy: string): Promise<UsageComparison[]> {
  if (requests.length === 0) return [];
  const costs = await selectCosts(transaction, periodAround(requests.map(({ line }) => line), clockLeewayMs), requests.flatMap(({ attempt }) => (attempt === undefined ? [] : [attempt.attempt_id])));
  const settlement = new Settlement(await selectPostedForRequests(transaction, source, requests.map(({ line }) => line.upstreamRequestId)));
  const comparisons: UsageComparison[] = [];
  for (const { line, attempt } of requests) {
    const { upstreamRequestId, startMs, quantities, costNanos } = line;
    const before = { quantities: attempt?.quantities ?? [], costNanos: attempt?.cost_nanos ?? 0n };
    const ledgerCostNanos = costs.get(attempt?.attempt_id ?? "") ?? 0n;
    const difference = costNanos === undefined ? undefined : costNanos - ledgerCostNanos;
    comparisons.push(
      create(UsageComparisonSchema, {
        status: attempt === undefined ? ComparisonStatus.MISSING_HERE : agree(quantities, costNanos, before) ? ComparisonStatus.EQUAL : ComparisonStatus.DIFFERENT,
        upstreamRequestId,
        attemptId: attempt?.attempt_id ?? "",
        model: line.model,
        startTime: timestampFromMs(startMs),
        ...vendorFigures(quantities, costNanos),
        ledgerQuantities: meterQuantities(before.quantities),
        ledgerCostNanos,
        corrected: attempt !== undefined && corrected.has(attempt.attempt_id),
        differenceNanos: settlement.settle(line, upstreamRequestId, difference),
      }),
    );
  }
  await postDifferences(transaction, source, settlement.differences, postedBy);
  return [...comparisons, ...(await unlistedRequests(transaction, source, requests))];
}

/** Attempts between the first and the last request that no line is of, a second one of a request among them. They may stand in another file: nothing is posted for them. */
async function unlistedRequests(transaction: Queryable, source: VendorSource, requests: readonly RequestMatch[]): Promise<UsageComparison[]> {
  const { startMs, endMs } = periodAround(requests.map(({ line }) => line), 0);
  const matched = new Map(requests.flatMap(({ line, attempt }) => (attempt === undefined ? [] : [[line.upstreamRequestId, attempt.attempt_id] as const])));
  const rows = await selectUnlisted(transaction, source, { startMs, endMs: endMs + 1 }, matched, maximumUnlisted);
  return rows.map((row) =>
    create(UsageComparisonSchema, {
      status: ComparisonStatus.MISSING_THERE,
      upstreamRequestId: row.upstream_request_id,
      attemptId: row.attempt_id,
      model: row.model,
      startTime: timestampFromMs(row.start_time.getTime()),
      ledgerQuantities: meterQuantities(row.quantities ?? []),
      ledgerCostNanos: row.cost_nanos ?? 0n,
    }),
  );
}

/** The periods of the lines, each once, in order. */
function periodsOf(lines: readonly VendorLine[]): VendorPeriod[] {
  const periods = new Map(lines.filter(({ upstreamRequestId }) => upstreamRequestId === "").map(({ startMs, endMs }) => [`${startMs} ${endMs}`, { startMs, endMs }]));
  return [...periods.values()].sort((left, right) => left.startMs - right.startMs);
}

async function settlePeriod(transaction: Queryable, source: VendorSource, period: VendorPeriod, postedBy: string, signal: AbortSignal): Promise<UsageComparison[]> {
  const usages: LedgerUsage[] = [];
  for (const hour of await hoursWithin(transaction, period)) {
    signal.throwIfAborted();
    usages.push(...(await selectLedgerUsage(transaction, source.vendor, hour)));
  }
  const lines = await selectLines(transaction, source, period);
  // Where no line is left, the vendor says nothing: that it billed nothing is not said either.
  const compared = lines.length === 0 ? [] : compareModels(lines, usages);
  const posted = await selectPosted(transaction, source, period);
  const settlement = new Settlement(posted);
  const comparisons: UsageComparison[] = [];
  for (const { status, model, vendorQuantities, vendorCostNanos, ledger } of compared) {
    const difference = vendorCostNanos === undefined ? undefined : vendorCostNanos - ledger.costNanos;
    comparisons.push(
      create(UsageComparisonSchema, {
        status: ComparisonStatus[status],
        model,
        startTime: timestampFromMs(period.startMs),
        endTime: timestampFromMs(period.endMs),
        ...vendorFigures(vendorQuantities, vendorCostNanos),
        ledgerQuantities: meterQuantities(ledger.quantities),
        ledgerCostNanos: ledger.costNanos,
        differenceNanos: settlement.settle(period, model, difference),
      }),
    );
  }
  // A model that is compared under another name by now has no difference of its own any more.
  const models = new Set(compared.map(({ model }) => model));
  for (const subject of posted.keys()) if (!models.has(subject)) settlement.settle(period, subject, 0n);
  await postDifferences(transaction, source, settlement.differences, postedBy);
  return comparisons;
}

/** Of lines that come again for another period or request: what they were about, with all that leave it. */
async function findMoved(database: Database, source: VendorSource, lines: readonly VendorLine[]): Promise<{ former: FormerPlace; moved: VendorLine[] }[]> {
  const byId = new Map(lines.map((line) => [line.lineId, line]));
  const left = Map.groupBy(await selectFormerPlaces(database, source, lines), ({ upstreamRequestId, startMs, endMs }) => upstreamRequestId || `${startMs} ${endMs}`);
  return [...left.values()].map((places) => ({ former: places[0]!, moved: places.map(({ lineId }) => byId.get(lineId)!) }));
}

/** What was posted because of lines that are elsewhere now stands for nothing any more. */
async function settleFormer(transaction: Queryable, source: VendorSource, { upstreamRequestId, startMs, endMs }: FormerPlace, postedBy: string, signal: AbortSignal): Promise<void> {
  if (upstreamRequestId === "") return void (await settlePeriod(transaction, source, { startMs, endMs }, postedBy, signal));
  if (await hasLineOf(transaction, source, upstreamRequestId)) return;
  const settlement = new Settlement(await selectPostedForRequests(transaction, source, [upstreamRequestId]));
  settlement.settle({ startMs, endMs: startMs }, upstreamRequestId, 0n);
  await postDifferences(transaction, source, settlement.differences, postedBy);
}

function vendorFigures(quantities: readonly bigint[] | undefined, costNanos: bigint | undefined): { vendorQuantities: MeterQuantity[]; vendorCostNanos?: bigint } {
  return { vendorQuantities: meterQuantities(quantities ?? []), ...(costNanos === undefined ? {} : { vendorCostNanos: costNanos }) };
}

/** Compares differences with what stands for them, and collects what is to be posted. */
class Settlement {
  readonly differences: VendorDifference[] = [];
  readonly #posted: ReadonlyMap<string, bigint>;

  constructor(posted: ReadonlyMap<string, bigint>) {
    this.#posted = posted;
  }

  /** What stands for the subject then; an unknown difference leaves it as it is. */
  settle({ startMs, endMs }: VendorPeriod, subject: string, difference: bigint | undefined): bigint {
    const standing = this.#posted.get(subject) ?? 0n;
    if (difference === undefined || difference === standing) return standing;
    this.differences.push({ startMs, endMs, subject, amountNanos: difference - standing });
    return difference;
  }
}
