/** Owns the list of rate limits: how much may be used in which time, and of whom. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { RateLimit } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { dollars } from "../format/money.ts";
import { count } from "../format/number.ts";
import { useNames, type Names } from "../names.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { More } from "../parts/more.tsx";
import { Page } from "../parts/page.tsx";
import { Empty, Loaded } from "../parts/states.tsx";
import { subjectOf } from "../subject.ts";

export function RateLimitsPage(): ReactNode {
  const names = useNames();
  const query = useInfiniteQuery(PolicyService.method.listRateLimits, { pageSize: 200, pageToken: "" }, { pageParamKey: "pageToken", getNextPageParam: ({ nextPageToken }) => nextPageToken || undefined });
  return (
    <Page title="Rate limits">
      <Loaded query={query} deed="see rate limits">
        {({ pages }) => {
          const limits = pages.flatMap((page) => page.rateLimits);
          return limits.length === 0 ? (
            <Empty command="npx weir limits create calls-per-key --count requests --amount 600 --window minute --per key">No rate limits. Make one in weir.yaml, or in a terminal:</Empty>
          ) : (
            <>
              <DataTable caption="Rate limits" rows={limits} keyOf={({ id }) => id} columns={columnsOf(names)} />
              <More query={query} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function columnsOf(names: Names): Column<RateLimit>[] {
  return [
    { title: "Name", order: ({ rule }) => rule?.name ?? "", cell: ({ rule, createTime }) => <>{rule?.name}{createTime === undefined && <span className="quiet"> · in weir.yaml</span>}</> },
    { title: "At most", isNumber: true, cell: ({ rule }) => (rule?.count === "spend" ? dollars(rule.amount) : count(rule?.amount ?? 0n)) },
    { title: "of", cell: ({ rule }) => rule?.count.replaceAll("_", " ") },
    { title: "in each", cell: ({ rule }) => rule?.window || "at one time" },
    { title: "for each", cell: ({ rule }) => rule?.per.join(", ") || "organization" },
    { title: "Calls of", cell: ({ rule }) => subjectOf(rule, names) },
    { title: "Where", isLong: true, cell: ({ rule }) => rule?.where !== "" && <code>{rule?.where}</code> },
  ];
}
