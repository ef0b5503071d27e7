/** Owns the comparison of what a vendor says it billed with what the ledger has. */
import { Meter, UsageSource } from "#gen/weir/types/v1/usage_pb.ts";
import { hourMs } from "./ledger-difference.ts";

/** What a vendor says of one request, or of a model in a period. */
export interface VendorLine {
  readonly lineId: string;
  /** Empty for a sum over a period. */
  readonly upstreamRequestId: string;
  /** Empty means all models. */
  readonly model: string;
  readonly startMs: number;
  /** Exclusive; of a request, its start. */
  readonly endMs: number;
  /** Meter n stands at n - 1; undefined when the line says none. */
  readonly quantities: readonly bigint[] | undefined;
  readonly costNanos: bigint | undefined;
}

export interface Figures {
  readonly quantities: readonly bigint[];
  readonly costNanos: bigint;
}

/** What the ledger has of a model, as it was asked for and as it was served, in a period. */
export interface LedgerUsage extends Figures {
  readonly model: string;
  readonly servedModel: string;
}

export type ComparisonStatus = "EQUAL" | "MISSING_HERE" | "MISSING_THERE" | "DIFFERENT";

/** All lines of a model in a period beside the ledger. */
export interface ModelComparison {
  readonly status: ComparisonStatus;
  readonly model: string;
  readonly vendorQuantities: readonly bigint[] | undefined;
  readonly vendorCostNanos: bigint | undefined;
  readonly ledger: Figures;
}

/** An attempt that a line about a request can be of. */
export interface Candidate {
  readonly attemptId: string;
  readonly startMs: number;
  readonly model: string;
  readonly servedModel: string;
  readonly upstreamRequestId: string;
  readonly rank: UsageSource;
}

/** Compares the lines of one period with the ledger, model by model. */
export function compareModels(lines: readonly VendorLine[], usages: readonly LedgerUsage[]): ModelComparison[] {
  const byModel = Map.groupBy(lines, ({ model }) => model);
  const known = Map.groupBy(usages, (usage) => nameAmong(byModel, usage));
  return [...new Set([...byModel.keys(), ...known.keys()])].sort().map((model) => {
    const named = byModel.get(model) ?? [];
    const ledger = sumOf(known.get(model) ?? []);
    const vendorQuantities = named.every(({ quantities }) => quantities === undefined) ? undefined : addLists(named.map(({ quantities }) => quantities ?? []));
    // What the vendor does not list, where it lists costs, it did not bill.
    const costsOf = named.length > 0 ? named : lines;
    const vendorCostNanos = costsOf.every(({ costNanos }) => costNanos === undefined) ? undefined : named.reduce((sum, { costNanos }) => sum + (costNanos ?? 0n), 0n);
    const isEqual = agree(vendorQuantities, vendorCostNanos, ledger);
    const status = !known.has(model) ? "MISSING_HERE" : named.length === 0 ? "MISSING_THERE" : isEqual ? "EQUAL" : "DIFFERENT";
    return { status, model, vendorQuantities, vendorCostNanos, ledger };
  });
}

/** True when the ledger has all that the vendor says. */
export function agree(quantities: readonly bigint[] | undefined, costNanos: bigint | undefined, ledger: Figures): boolean {
  return (quantities === undefined || isSameUsage(quantities, ledger.quantities)) && (costNanos === undefined || costNanos === ledger.costNanos);
}

/** Vendors' reports count reasoning as output. */
export function isSameUsage(left: readonly bigint[], right: readonly bigint[]): boolean {
  const [one, other] = [withoutReasoning(left), withoutReasoning(right)];
  return Array.from({ length: Math.max(one.length, other.length) }).every((_, index) => (one[index] ?? 0n) === (other[index] ?? 0n));
}

/**
 * Which attempt each line about a request is of: the first with the vendor's id; else an orphan of the same model and hour that never learned an
 * id, where there are as many such orphans as lines, in the order of time.
 */
export function matchRequests(lines: readonly VendorLine[], candidates: readonly Candidate[]): Map<VendorLine, string> {
  const byId = new Map(candidates.filter(({ upstreamRequestId }) => upstreamRequestId !== "").toReversed().map((candidate) => [candidate.upstreamRequestId, candidate.attemptId]));
  const matched = new Map(lines.flatMap((line) => (byId.has(line.upstreamRequestId) ? [[line, byId.get(line.upstreamRequestId)!] as const] : [])));
  const orphans = candidates.filter(({ upstreamRequestId, rank }) => upstreamRequestId === "" && rank === UsageSource.ORPHANED);
  const unmatched = Map.groupBy(lines.filter((line) => !matched.has(line)), ({ model, startMs }) => `${hourOf(startMs)} ${model}`);
  for (const alike of unmatched.values()) {
    const { model, startMs } = alike[0]!;
    const possible = orphans.filter((orphan) => hourOf(orphan.startMs) === hourOf(startMs) && (orphan.model === model || orphan.servedModel === model));
    if (possible.length !== alike.length) continue;
    const inOrder = possible.toSorted((left, right) => left.startMs - right.startMs);
    alike.toSorted((left, right) => left.startMs - right.startMs).forEach((line, index) => matched.set(line, inOrder[index]!.attemptId));
  }
  return matched;
}

/** The line's name for it: the model as served, as asked for, or any. */
function nameAmong(names: { has(name: string): boolean }, { model, servedModel }: LedgerUsage): string {
  const served = servedModel === "" ? model : servedModel;
  return [served, model, ""].find((name) => names.has(name)) ?? served;
}

function sumOf(usages: readonly LedgerUsage[]): Figures {
  return { quantities: addLists(usages.map(({ quantities }) => quantities)), costNanos: usages.reduce((sum, { costNanos }) => sum + costNanos, 0n) };
}

function addLists(lists: readonly (readonly bigint[])[]): bigint[] {
  const sums: bigint[] = [];
  for (const list of lists) list.forEach((quantity, index) => (sums[index] = (sums[index] ?? 0n) + quantity));
  return Array.from(sums, (sum) => sum ?? 0n);
}

function withoutReasoning(quantities: readonly bigint[]): bigint[] {
  const all = Array.from({ length: Math.max(quantities.length, Meter.OUTPUT_TOKENS) }, (_, index) => quantities[index] ?? 0n);
  const reasoning = all[Meter.REASONING_OUTPUT_TOKENS - 1] ?? 0n;
  all[Meter.OUTPUT_TOKENS - 1]! += reasoning;
  if (reasoning !== 0n) all[Meter.REASONING_OUTPUT_TOKENS - 1] = 0n;
  return all;
}

function hourOf(timeMs: number): number {
  return Math.floor(timeMs / hourMs);
}
