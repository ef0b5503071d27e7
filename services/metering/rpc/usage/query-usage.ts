/** Owns QueryUsage: sums over a period by any of the dimensions. */
import { create } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { LatencySchema, QueryUsageResponseSchema, UsageRowSchema, type Latency, type QueryUsageRequest, type QueryUsageResponse } from "#gen/weir/metering/v1/usage_report_pb.ts";
import type { Clock } from "#platform/clock.ts";
import type { Database } from "#platform/database/database.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Identity } from "#platform/rpc/service-types.ts";
import { percentileOf } from "../../domain/latency-histogram.ts";
import { isDimension, selectUsage, type UsagePlace } from "../../store/usage-report.ts";
import { tenantSeenBy } from "../caller.ts";
import { meterQuantities } from "./meter-quantities.ts";
import { invalidPageToken, pageSizeOf, readPageToken, writePageToken, type TokenPart } from "../page-token.ts";

const hourMs = 3_600_000;
const defaultPeriodMs = 30 * 24 * hourMs;

/** Throws INVALID_REQUEST for what cannot be grouped by, and for a period that ends before it begins; PERMISSION_DENIED for another organization's usage. */
export async function queryUsage(database: Database, clock: Clock, declaredLabels: readonly string[], request: QueryUsageRequest, identity: Identity): Promise<QueryUsageResponse> {
  const { groupBy, groupByLabels, teamId, keyId, withLatency, order } = request;
  const organizationId = tenantSeenBy(identity, request.organizationId);
  if (!groupBy.every(isDimension)) throw new GatewayError("INVALID_REQUEST", "group_by has a dimension that this version does not know.");
  const undeclared = groupByLabels.find((name) => !declaredLabels.includes(name));
  if (undeclared !== undefined) throw new GatewayError("INVALID_REQUEST", `The label "${undeclared}" is not declared: usage can be reported by ${declaredLabels.join(", ")}; add it to ledger.labels in weir.yaml.`);
  if (request.startTime !== undefined && request.endTime !== undefined && timestampMs(request.startTime) >= timestampMs(request.endTime)) throw new GatewayError("INVALID_REQUEST", "start_time is not before end_time.");

  const query: TokenPart = [
    request.startTime === undefined ? null : timestampMs(request.startTime),
    request.endTime === undefined ? null : timestampMs(request.endTime),
    groupBy,
    groupByLabels,
    organizationId,
    teamId,
    keyId,
    order,
  ];
  const begun = readPlace(readPageToken(request.pageToken, query), groupBy.length + groupByLabels.length);
  // Later pages report the period of the first, though "now" has moved on.
  const period = begun?.period ?? periodOf(request, clock.now());
  const pageSize = pageSizeOf(request.pageSize);
  const sums = await selectUsage(database, { ...period, groupBy, groupByLabels, organizationId, teamId, keyId, withLatency, order, after: begun?.after, limit: pageSize + 1 });

  const page = sums.slice(0, pageSize);
  const last = page.at(-1);
  return create(QueryUsageResponseSchema, {
    rows: page.map(({ quantities, durations, firstBytes, ...sum }) =>
      create(UsageRowSchema, { ...sum, quantities: meterQuantities(quantities), ...latencyMember("duration", durations), ...latencyMember("firstByte", firstBytes) }),
    ),
    nextPageToken:
      sums.length > pageSize && last !== undefined
        ? writePageToken(query, [period.startMs, period.endMs, last.costNanos.toString(), last.group])
        : "",
  });
}

/** No member where none is known, or none was asked for: the histogram is empty. */
function latencyMember(name: "duration" | "firstByte", counts: readonly bigint[]): { readonly [member: string]: Latency } {
  if (counts.every((count) => count === 0n)) return {};
  return { [name]: create(LatencySchema, { p50Ms: percentileOf(counts, 50n), p95Ms: percentileOf(counts, 95n), p99Ms: percentileOf(counts, 99n) }) };
}

interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

function periodOf(request: QueryUsageRequest, nowMs: number): Period {
  const endMs = request.endTime === undefined ? nowMs : timestampMs(request.endTime);
  const startMs = request.startTime === undefined ? endMs - defaultPeriodMs : timestampMs(request.startTime);
  return { startMs: Math.floor(startMs / hourMs) * hourMs, endMs: Math.ceil(endMs / hourMs) * hourMs };
}

function readPlace(place: unknown[] | undefined, groupLength: number): { period: Period; after: UsagePlace } | undefined {
  if (place === undefined) return undefined;
  const [startMs, endMs, costNanos, group] = place;
  const isWhole =
    isTime(startMs) &&
    isTime(endMs) &&
    typeof costNanos === "string" &&
    /^-?[0-9]{1,19}$/.test(costNanos) &&
    Array.isArray(group) &&
    group.length === groupLength &&
    group.every((value) => typeof value === "string");
  if (!isWhole) throw invalidPageToken();
  return { period: { startMs, endMs }, after: { costNanos, group } };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= 8.64e15;
}
