/** Owns rate limits: how much may be used in which time, and of whom; making, changing and deleting them. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { RateLimit } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { ChangeRateLimitDialog } from "../dialogs/change-rate-limit-dialog.tsx";
import { ConfirmDialog } from "../dialogs/confirm-dialog.tsx";
import { CreateRateLimitDialog } from "../dialogs/create-rate-limit-dialog.tsx";
import { dollars } from "../format/money.ts";
import { count } from "../format/number.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { useDialog, type OpenDialog } from "../parts/dialog.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { actionsColumn, type RowAction } from "../parts/row-actions.tsx";
import { Empty } from "../parts/states.tsx";
import { subjectOf } from "../subject.ts";

export function RateLimitsPage(): ReactNode {
  const names = useNames();
  const [dialog, open] = useDialog();
  const query = useInfiniteQuery(PolicyService.method.listRateLimits, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Rate limits" actions={<button type="button" className="primary" onClick={() => open((onClose) => <CreateRateLimitDialog onClose={onClose} />)}>Create rate limit</button>}>
      <PagedTable
        query={query}
        deed="see rate limits"
        rowsOf={({ rateLimits }) => rateLimits}
        empty={<Empty command="npx weir limits create calls-per-key --count requests --amount 600 --window minute --per key">No rate limits. Create one here, in weir.yaml, or in a terminal:</Empty>}
        caption="Rate limits"
        keyOf={({ id }) => id}
        columns={[...columnsOf(names), actionsColumn(nameOf, actionsOf(open))]}
      />
      {dialog}
    </Page>
  );
}

function nameOf({ rule }: RateLimit): string {
  return rule?.name ?? "";
}

function columnsOf(names: Names): Column<RateLimit>[] {
  return [
    { title: "Name", order: nameOf, cell: (limit) => <>{nameOf(limit)}{!isMadeHere(limit) && <span className="quiet"> · in weir.yaml</span>}</> },
    { title: "At most", isNumber: true, cell: ({ rule }) => (rule?.count === "spend" ? dollars(rule.amount) : count(rule?.amount ?? 0n)) },
    { title: "of", cell: ({ rule }) => rule?.count.replaceAll("_", " ") },
    { title: "in each", cell: ({ rule }) => rule?.window || "at one time" },
    { title: "for each", cell: ({ rule }) => rule?.per.join(", ") || "organization" },
    { title: "Calls of", cell: ({ rule }) => subjectOf(rule, names) },
    { title: "Where", isLong: true, cell: ({ rule }) => rule?.where !== "" && <code>{rule?.where}</code> },
  ];
}

function actionsOf(open: OpenDialog): RowAction<RateLimit>[] {
  return [
    { title: "Change", isOffered: isMadeHere, run: (rateLimit) => open((onClose) => <ChangeRateLimitDialog rateLimit={rateLimit} onClose={onClose} />) },
    { title: "Delete", isOffered: isMadeHere, run: (rateLimit) => open((onClose) => (
      <ConfirmDialog title={`Delete “${nameOf(rateLimit)}”?`} action="Delete rate limit" isDangerous deed="delete rate limits" method={PolicyService.method.deleteRateLimit} input={{ rateLimitId: rateLimit.id }} listed={PolicyService.method.listRateLimits} onClose={onClose}>
        Within a second, no call is refused for it any more.
      </ConfirmDialog>
    )) },
  ];
}

/** What stands in weir.yaml is changed there. */
function isMadeHere({ createTime }: RateLimit): boolean {
  return createTime !== undefined;
}
