/** Owns what can be called: routes and models with what is known of them, and providers that cannot be. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { InferenceService, type Model, type ProviderProblem, type RouteFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { milliseconds, shortCount } from "../format/number.ts";
import { isGenerating, tryPath } from "../model.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Mark } from "../parts/marks.tsx";
import { Card, Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { Empty } from "../parts/states.tsx";

export function ModelsPage(): ReactNode {
  const query = useInfiniteQuery(InferenceService.method.listModels, { pageSize: 500, pageToken: "" }, byPage);
  const problems = query.data?.pages[0]?.providerProblems ?? [];
  return (
    <Page title="Models">
      {problems.length > 0 && (
        <Card title="Providers without a credential">
          <DataTable caption="Providers without a credential" rows={problems} keyOf={({ provider }) => provider} columns={problemColumns} />
        </Card>
      )}
      <Card title="Routes">
        <PagedTable
          query={query}
          deed="list models"
          rowsOf={({ models }) => models.filter(({ isRoute }) => isRoute)}
          empty={<Empty>None. weir.yaml names them (docs/configuration.md): a route goes to its next target where one fails.</Empty>}
          caption="Routes"
          keyOf={({ name }) => name}
          columns={routeColumns}
        />
      </Card>
      <Card title="Models">
        <PagedTable
          query={query}
          deed="list models"
          rowsOf={({ models }) => models.filter(({ isRoute }) => !isRoute)}
          empty={<Empty>None. Set a vendor&apos;s key in the environment of Weir, or name providers in weir.yaml (docs/configuration.md).</Empty>}
          caption="Models"
          keyOf={({ name }) => name}
          columns={modelColumns}
        />
      </Card>
    </Page>
  );
}

const problemColumns: Column<ProviderProblem>[] = [
  { title: "Provider", order: ({ provider }) => provider, cell: ({ provider }) => <Mark tone="bad">{provider}</Mark> },
  { title: "Why its calls fail", isLong: true, cell: ({ description }) => description },
];

const tryColumn: Column<Model> = { title: "", cell: (model) => isGenerating(model) && <Link href={tryPath(model.name)} aria-label={`Try ${model.name}`}>Try</Link> };

const routeColumns: Column<Model>[] = [
  { title: "Name", order: ({ name }) => name, cell: ({ name }) => name },
  { title: "Targets", isLong: true, cell: targetsOf },
  { title: "Tried", cell: ({ routing }) => wayOf(routing) },
  tryColumn,
];

function targetsOf({ targets, routing }: Model): ReactNode {
  const own = listed(targets, routing);
  if (routing === undefined || routing.cases.length === 0) return own;
  return (
    <>
      {routing.cases.map((one) => (
        <div key={one.where}>
          {listed(one.targets, routing)} <span className="quiet">where</span> <code>{one.where}</code>
        </div>
      ))}
      <div>
        {own} <span className="quiet">else</span>
      </div>
    </>
  );
}

function listed(targets: readonly string[], routing: RouteFacts | undefined): string {
  if (routing?.order === "weight") return targets.map((name) => `${name} (${routing.weights[name] ?? "reserve"})`).join(", ");
  return targets.join(routing === undefined || routing.order === "listed" ? " → " : ", ");
}

function wayOf(routing: RouteFacts | undefined): string {
  if (routing === undefined) return "as listed";
  const { order, stickyLabel, hedgeAfter, retries } = routing;
  const by = order === "listed" ? "as listed" : `by ${order}`;
  const again = retries === 0 ? [] : [`each up to ${retries + 1} times`];
  return [stickyLabel === "" ? by : `${by}, alike by ${stickyLabel}`, ...again, ...(hedgeAfter === undefined ? [] : [`the next beside it after ${milliseconds(BigInt(durationMs(hedgeAfter)))}`])].join("; ");
}

const modelColumns: Column<Model>[] = [
  { title: "Name", order: ({ name }) => name, cell: ({ name }) => name },
  { title: "Operation", order: ({ facts }) => facts?.operation ?? "", cell: ({ facts }) => facts?.operation },
  { title: "Context", isNumber: true, order: ({ facts }) => facts?.contextWindowTokens ?? 0n, cell: ({ facts }) => tokens(facts?.contextWindowTokens) },
  { title: "Output", isNumber: true, order: ({ facts }) => facts?.maxOutputTokens ?? 0n, cell: ({ facts }) => tokens(facts?.maxOutputTokens) },
  { title: "Tools", cell: ({ facts }) => yesNo(facts?.tools) },
  { title: "Reasoning", cell: ({ facts }) => yesNo(facts?.reasoning) },
  { title: "Known from", cell: ({ facts }) => <span className="quiet">{[facts?.source.replace(/^https?:\/\//, "").split("/")[0], facts?.readDate].filter((part) => part !== undefined && part !== "").join(", ")}</span> },
  tryColumn,
];

function tokens(amount: bigint | undefined): string {
  return amount === undefined ? "" : shortCount(amount);
}

function yesNo(fact: boolean | undefined): string {
  return fact === undefined ? "" : fact ? "yes" : "no";
}
