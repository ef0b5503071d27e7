/** Owns usage reports: grouped and cut in time as asked, with totals, and as a file. */
import { useQuery } from "@connectrpc/connect-query";
import type { FormEvent, ReactNode } from "react";
import { useSearchParams } from "wouter";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { UsageDimension, type UsageRow } from "#gen/weir/metering/v1/usage_report_pb.ts";
import { csvOf } from "../format/csv.ts";
import { dollars, exactDollars, plainDollars } from "../format/money.ts";
import { count, milliseconds, percent, shortCount } from "../format/number.ts";
import { useNames, type Names } from "../names.ts";
import { useNow } from "../now.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Choice, Field, textOf } from "../parts/fields.tsx";
import { Page } from "../parts/page.tsx";
import { PeriodPicker, usePeriod } from "../parts/period-picker.tsx";
import { Empty, FirstCall, Loaded } from "../parts/states.tsx";
import { startOf } from "../period.ts";
import { cacheHitShare, failureShare, inputTokens, outputTokens } from "../usage-rows.ts";

interface Grouping {
  readonly title: string;
  /** Absent for a label. */
  readonly dimension?: UsageDimension;
  readonly nameOf?: (id: string, names: Names) => string;
}

const groupings: Readonly<Record<string, Grouping>> = {
  model: { title: "Model", dimension: UsageDimension.MODEL },
  vendor: { title: "Vendor", dimension: UsageDimension.VENDOR },
  route: { title: "Route", dimension: UsageDimension.ROUTE },
  team: { title: "Team", dimension: UsageDimension.TEAM, nameOf: (id, names) => names.team(id) },
  key: { title: "Key", dimension: UsageDimension.KEY, nameOf: (id, names) => names.key(id) },
  organization: { title: "Organization", dimension: UsageDimension.ORGANIZATION, nameOf: (id, names) => names.organization(id) },
  label: { title: "Label" },
};

const granularities: Readonly<Record<string, Grouping>> = {
  hour: { title: "Hour (UTC)", dimension: UsageDimension.HOUR, nameOf: (hour) => `${hour.replace("T", " ")}:00` },
  day: { title: "Day (UTC)", dimension: UsageDimension.DAY },
  month: { title: "Month (UTC)", dimension: UsageDimension.MONTH },
};

const mostRows = 1_000;

export function UsagePage(): ReactNode {
  const period = usePeriod();
  const nowMs = useNow();
  const names = useNames();
  const [parameters, setParameters] = useSearchParams();
  const { time, grouping, label } = readReport(parameters);
  const isWaitingForLabel = grouping.dimension === undefined && label === "";
  const query = useQuery(
    MeteringService.method.queryUsage,
    {
      startTime: startOf(period, nowMs),
      groupBy: [...(time === undefined ? [] : [time.dimension!]), ...(grouping.dimension === undefined ? [] : [grouping.dimension])],
      groupByLabels: grouping.dimension === undefined && !isWaitingForLabel ? [label] : [],
      pageSize: mostRows,
      withLatency: true,
    },
    { enabled: !isWaitingForLabel },
  );
  const columns = columnsOf(query.data?.rows ?? [], [...(time === undefined ? [] : [time]), grouping], label, names);
  const change = (name: string, value: string): void =>
    setParameters((former) => {
      former.set(name, value);
      return former;
    });
  const ordered = time === undefined ? (rows: readonly UsageRow[]) => rows : (rows: readonly UsageRow[]) => rows.toSorted((left, right) => ((left.group[0] ?? "") < (right.group[0] ?? "") ? 1 : -1));
  return (
    <Page title="Usage" actions={<PeriodPicker />}>
      <div className="toolbar">
        <Choice label="Group by" value={parameters.get("by") ?? "model"} onChange={(event) => change("by", event.target.value)}>
          {Object.entries(groupings).map(([name, { title }]) => <option key={name} value={name}>{title}</option>)}
        </Choice>
        {grouping.dimension === undefined && (
          <form onSubmit={(event: FormEvent<HTMLFormElement>) => {
            event.preventDefault();
            change("label", textOf(new FormData(event.currentTarget), "label"));
          }}>
            <Field label="Name of the label" name="label" defaultValue={label} placeholder="cost_center" required />
            <button type="submit">Show</button>
          </form>
        )}
        <Choice label="A row for each" value={parameters.get("each") ?? ""} onChange={(event) => change("each", event.target.value)}>
          <option value="">whole period</option>
          {Object.keys(granularities).map((name) => <option key={name} value={name}>{name}</option>)}
        </Choice>
        <button type="button" disabled={query.data === undefined || query.data.rows.length === 0} onClick={() => download(ordered(query.data!.rows), columns)}>Export CSV</button>
      </div>
      {isWaitingForLabel ? (
        <Empty>Name a label to group by: one that <code>ledger.labels</code> of weir.yaml declares.</Empty>
      ) : (
        <Loaded query={query} deed="see usage">
          {({ rows, nextPageToken }) =>
            rows.length === 0 ? (
              <FirstCall>No calls in this period.</FirstCall>
            ) : (
              <>
                <DataTable caption="Usage" rows={ordered(rows)} keyOf={({ group }) => group.join("\n")} columns={columns} />
                {nextPageToken !== "" && <p className="quiet">These are the dearest {count(mostRows)} rows, and so are the totals. Choose a shorter period, or have all of them: <code>npx weir usage export</code>.</p>}
              </>
            )
          }
        </Loaded>
      )}
    </Page>
  );
}

function readReport(parameters: URLSearchParams): { readonly time: Grouping | undefined; readonly grouping: Grouping; readonly label: string } {
  const by = parameters.get("by") ?? "";
  const each = parameters.get("each") ?? "";
  return {
    time: Object.hasOwn(granularities, each) ? granularities[each] : undefined,
    grouping: Object.hasOwn(groupings, by) ? groupings[by]! : groupings["model"]!,
    label: parameters.get("label") ?? "",
  };
}

/** A column of the table and of the file. */
interface UsageColumn extends Column<UsageRow> {
  readonly text: (row: UsageRow) => string;
}

function columnsOf(rows: readonly UsageRow[], groups: readonly Grouping[], label: string, names: Names): UsageColumn[] {
  const sum = (of: (row: UsageRow) => bigint): bigint => rows.reduce((total, row) => total + of(row), 0n);
  const number = (title: string, of: (row: UsageRow) => bigint, write: (value: bigint) => string): UsageColumn => ({
    title, isNumber: true, order: of, cell: (row) => <span title={count(of(row))}>{write(of(row))}</span>, text: (row) => String(of(row)), total: write(sum(of)),
  });
  const money = (title: string, of: (row: UsageRow) => bigint): UsageColumn => ({
    title, isNumber: true, order: of, cell: (row) => <span title={exactDollars(of(row))}>{dollars(of(row))}</span>, text: (row) => plainDollars(of(row)), total: <span title={exactDollars(sum(of))}>{dollars(sum(of))}</span>,
  });
  const latency = (title: string, of: (row: UsageRow) => bigint | undefined): UsageColumn => ({
    title, isNumber: true, order: (row) => of(row) ?? -1n, cell: (row) => milliseconds(of(row)), text: (row) => String(of(row) ?? ""),
  });
  return [
    ...groups.map(({ title, dimension, nameOf = (id: string) => id }, place): UsageColumn => {
      const name = (row: UsageRow): string => nameOf(row.group[place] ?? "", names);
      return { title: dimension === undefined ? label : title, order: name, cell: (row) => name(row) || <span className="quiet">none</span>, text: name, total: place === 0 ? "Total" : "" };
    }),
    number("Calls", ({ attempts }) => attempts, count),
    { ...number("Errors", ({ failedAttempts }) => failedAttempts, count), cell: (row) => <span className={row.failedAttempts > 0n ? "bad" : undefined} title={percent(failureShare(row))}>{count(row.failedAttempts)}</span> },
    number("Input tokens", ({ quantities }) => inputTokens(quantities), shortCount),
    number("Output tokens", ({ quantities }) => outputTokens(quantities), shortCount),
    latency("p50", ({ duration }) => duration?.p50Ms),
    latency("p95", ({ duration }) => duration?.p95Ms),
    ...(rows.some(({ unpricedAttempts }) => unpricedAttempts > 0n) ? [number("Without price", ({ unpricedAttempts }) => unpricedAttempts, count)] : []),
    ...(rows.some(({ cacheHits, cacheMisses }) => cacheHits + cacheMisses > 0n)
      ? [{ ...number("Cache hits", ({ cacheHits }) => cacheHits, count), cell: (row: UsageRow) => <span title={percent(cacheHitShare(row))}>{count(row.cacheHits)}</span> }]
      : []),
    money("Cost", ({ costNanos }) => costNanos),
    ...(rows.some(({ costNanos, chargeNanos }) => costNanos !== chargeNanos) ? [money("Charge", ({ chargeNanos }) => chargeNanos)] : []),
  ];
}

function download(rows: readonly UsageRow[], columns: readonly UsageColumn[]): void {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ text }) => text(row)))];
  const address = URL.createObjectURL(new Blob([csvOf(lines)], { type: "text/csv" }));
  Object.assign(document.createElement("a"), { href: address, download: "weir-usage.csv" }).click();
  URL.revokeObjectURL(address);
}
