/** Owns the list of rate limits: how much may be used in which time, and of whom. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { RateLimit } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { dollars } from "../format/money.ts";
import { count } from "../format/number.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { Empty } from "../parts/states.tsx";
import { subjectOf } from "../subject.ts";

export function RateLimitsPage(): ReactNode {
  const names = useNames();
  const query = useInfiniteQuery(PolicyService.method.listRateLimits, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Rate limits">
      <PagedTable
        query={query}
        deed="see rate limits"
        rowsOf={({ rateLimits }) => rateLimits}
        empty={<Empty command="npx weir limits create calls-per-key --count requests --amount 600 --window minute --per key">No rate limits. Make one in weir.yaml, or in a terminal:</Empty>}
        caption="Rate limits"
        keyOf={({ id }) => id}
        columns={columnsOf(names)}
      />
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
