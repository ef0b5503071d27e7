/** Owns the overview: what was spent and called in a period, by whom, and what needs somebody's attention. */
import { useQuery } from "@connectrpc/connect-query";
import { useMemo, type ReactNode } from "react";
import { Link } from "wouter";
import { fullness } from "../budget-use.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { UsageDimension, type UsageRow } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { dollars, exactDollars } from "../format/money.ts";
import { count, milliseconds, percent } from "../format/number.ts";
import { useNames } from "../names.ts";
import { useNow } from "../now.ts";
import { BudgetBar } from "../parts/budget-bar.tsx";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Money } from "../parts/marks.tsx";
import { Card, Page } from "../parts/page.tsx";
import { PeriodPicker, usePeriod } from "../parts/period-picker.tsx";
import { Failure, FirstCall, Loaded } from "../parts/states.tsx";
import { TimeChart, type Series } from "../parts/time-chart.tsx";
import { isInstallationAdmin, useSession } from "../session.ts";
import { bucketDimensionOf, bucketsOf, periods, startOf, type Period } from "../period.ts";
import { failureShare } from "../usage-rows.ts";

const minuteMs = 60_000;
const refreshed = { refetchInterval: minuteMs };
/** From this share of its limit on, a budget is told of here: tenths of a percent. */
const nearLimit = 800;

export function OverviewPage(): ReactNode {
  const period = usePeriod();
  const names = useNames();
  const totals = useQuery(MeteringService.method.queryUsage, { startTime: startOf(period, useNow()), withLatency: true }, refreshed);
  const isQuiet = totals.data !== undefined && (totals.data.rows[0]?.attempts ?? 0n) === 0n;
  return (
    <Page title="Overview" actions={<PeriodPicker />}>
      <Attention />
      {isQuiet ? (
        <FirstCall>No calls in the last {periods[period].title}.</FirstCall>
      ) : (
        <>
          <Loaded query={totals} deed="see usage">
            {({ rows: [row] }) => row !== undefined && <Totals row={row} />}
          </Loaded>
          {totals.error === null && (
            <>
              <OverTime period={period} />
              <div className="columns">
                <Top title="Models by cost" dimension={UsageDimension.MODEL} by="model" period={period} nameOf={(model) => model} />
                <Top title="Teams by cost" dimension={UsageDimension.TEAM} by="team" period={period} nameOf={names.team} />
                <Top title="Keys by cost" dimension={UsageDimension.KEY} by="key" period={period} nameOf={names.key} />
              </div>
            </>
          )}
        </>
      )}
    </Page>
  );
}

function Totals({ row }: { readonly row: UsageRow }): ReactNode {
  return (
    <dl className="tiles">
      <Tile title="Spend" value={dollars(row.costNanos)} exact={exactDollars(row.costNanos)}>
        {row.chargeNanos === row.costNanos ? "by the vendors' prices" : `${dollars(row.chargeNanos)} charged`}
        {row.unpricedAttempts > 0n && <strong> · {count(row.unpricedAttempts)} without a price are not in it</strong>}
      </Tile>
      <Tile title="Calls" value={count(row.attempts)}>attempts at vendors</Tile>
      <Tile title="Errors" value={count(row.failedAttempts)}>
        {percent(failureShare(row))} of the calls
        {row.orphanedAttempts > 0n && <strong> · {count(row.orphanedAttempts)} whose end was never seen</strong>}
      </Tile>
      <Tile title="Latency p50" value={milliseconds(row.duration?.p50Ms)}>first byte {milliseconds(row.firstByte?.p50Ms)}</Tile>
      <Tile title="Latency p95" value={milliseconds(row.duration?.p95Ms)}>first byte {milliseconds(row.firstByte?.p95Ms)}</Tile>
    </dl>
  );
}

function Tile({ title, value, exact, children }: { readonly title: string; readonly value: string; readonly exact?: string; readonly children: ReactNode }): ReactNode {
  return (
    <div className="tile">
      <dt>{title}</dt>
      <dd title={exact}>{value}</dd>
      <dd className="quiet">{children}</dd>
    </div>
  );
}

function OverTime({ period }: { readonly period: Period }): ReactNode {
  const query = useQuery(MeteringService.method.queryUsage, { startTime: startOf(period, useNow()), groupBy: [bucketDimensionOf(period)], pageSize: 1_000 }, refreshed);
  return (
    <Loaded query={query} deed="see usage">
      {({ rows }) => <Charts rows={rows} period={period} />}
    </Loaded>
  );
}

function Charts({ rows, period }: { readonly rows: readonly UsageRow[]; readonly period: Period }): ReactNode {
  const nowMs = useNow();
  const { startsMs, spend, calls } = useMemo(() => seriesOf(rows, bucketsOf(period, nowMs)), [rows, period, nowMs]);
  const { bucket, title } = periods[period];
  return (
    <div className="columns two">
      <Card title={`Spend by ${bucket}`}>
        <TimeChart summary={`Spend by ${bucket} over ${title}`} startsMs={startsMs} series={spend} format={dollarsAt} />
      </Card>
      <Card title={`Calls and errors by ${bucket}`}>
        <TimeChart summary={`Calls and errors by ${bucket} over ${title}`} startsMs={startsMs} series={calls} format={countAt} />
      </Card>
    </div>
  );
}

function seriesOf(rows: readonly UsageRow[], buckets: ReturnType<typeof bucketsOf>): { readonly startsMs: number[]; readonly spend: Series[]; readonly calls: Series[] } {
  const byName = new Map(rows.map((row) => [row.group[0], row]));
  // Only where a bar ends on the screen is money a number.
  const values = (of: (row: UsageRow) => bigint): number[] => buckets.map(({ name }) => Number(byName.has(name) ? of(byName.get(name)!) : 0n));
  return {
    startsMs: buckets.map(({ startMs }) => startMs),
    spend: [{ title: "Spend", color: "--accent", values: values(({ costNanos }) => costNanos) }],
    calls: [
      { title: "Calls", color: "--chart-calls", values: values(({ attempts }) => attempts) },
      { title: "Errors", color: "--bad", values: values(({ failedAttempts }) => failedAttempts) },
    ],
  };
}

function dollarsAt(nanos: number): string {
  return dollars(BigInt(Math.round(nanos)));
}

function countAt(value: number): string {
  return Number.isInteger(value) ? count(value) : "";
}

interface TopProps {
  readonly title: string;
  readonly dimension: UsageDimension;
  readonly by: string;
  readonly period: Period;
  readonly nameOf: (id: string) => string;
}

function Top({ title, dimension, by, period, nameOf }: TopProps): ReactNode {
  const query = useQuery(MeteringService.method.queryUsage, { startTime: startOf(period, useNow()), groupBy: [dimension], pageSize: 6 }, refreshed);
  return (
    <Card title={title} actions={<Link href={`/usage?by=${by}&period=${period}`}>All</Link>}>
      <Loaded query={query} deed="see usage">
        {({ rows }) => <DataTable caption={title} rows={rows} keyOf={({ group }) => group[0] ?? ""} columns={topColumns(by, nameOf)} />}
      </Loaded>
    </Card>
  );
}

function topColumns(by: string, nameOf: (id: string) => string): Column<UsageRow>[] {
  return [
    { title: by[0]!.toUpperCase() + by.slice(1), cell: ({ group }) => nameOf(group[0] ?? "") },
    { title: "Calls", isNumber: true, cell: ({ attempts }) => count(attempts) },
    { title: "Cost", isNumber: true, cell: ({ costNanos }) => <Money nanos={costNanos} /> },
  ];
}

/** What is near its limit, and what does not agree; nothing where all is well. */
function Attention(): ReactNode {
  const session = useSession();
  const budgets = useQuery(PolicyService.method.listBudgets, { pageSize: 1_000 }, refreshed);
  const near = (budgets.data?.budgets ?? []).filter((budget) => fullness(budget) >= nearLimit);
  return (
    <>
      {isInstallationAdmin(session) && <Differences />}
      {budgets.error !== null && <Failure error={budgets.error} deed="see budgets" retry={() => void budgets.refetch()} />}
      {near.length > 0 && (
        <Card title="Budgets near their limit" actions={<Link href="/budgets">All</Link>}>
          <ul className="plain-list">
            {near.map((budget) => (
              <li key={budget.id}>
                <span>{budget.name}</span>
                <BudgetBar budget={budget} />
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}

/** Whether the books agree with each other: the ledger's of the last day, and the budgets'. */
function Differences(): ReactNode {
  const startTime = startOf("24h", useNow());
  // It reads every line of the day: each half hour is often enough.
  const habits = { staleTime: 30 * minuteMs };
  const ledger = useQuery(MeteringService.method.checkLedger, { startTime }, habits);
  const budgets = useQuery(PolicyService.method.checkBudgets, {}, habits);
  const found = (ledger.data?.differences.length ?? 0) + (budgets.data?.differences.length ?? 0) + (budgets.data?.leaseDifferences.length ?? 0);
  if (found === 0) return null;
  return (
    <div className="failure" role="alert">
      <p>
        Differences in the books of the last day: {found}. <code>npx weir ledger check</code> and <code>npx weir budgets check</code> name them.
      </p>
    </div>
  );
}
