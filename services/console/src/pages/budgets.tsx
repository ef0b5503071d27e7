/** Owns budgets: what of each is used, and making, changing and deleting them. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import { BudgetEnforcement, type Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { fullness } from "../budget-use.ts";
import { periodTitles, shortageTitles } from "../budget-words.ts";
import { ChangeBudgetDialog } from "../dialogs/change-budget-dialog.tsx";
import { ConfirmDialog } from "../dialogs/confirm-dialog.tsx";
import { CreateBudgetDialog } from "../dialogs/create-budget-dialog.tsx";
import { TopUpBudgetDialog } from "../dialogs/top-up-budget-dialog.tsx";
import { dollars } from "../format/money.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import { BudgetBar } from "../parts/budget-bar.tsx";
import type { Column } from "../parts/data-table.tsx";
import { useDialog, type OpenDialog } from "../parts/dialog.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { actionsColumn, type RowAction } from "../parts/row-actions.tsx";
import { Empty } from "../parts/states.tsx";

export function BudgetsPage(): ReactNode {
  const names = useNames();
  const [dialog, open] = useDialog();
  const query = useInfiniteQuery(PolicyService.method.listBudgets, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Budgets" actions={<button type="button" className="primary" onClick={() => open((onClose) => <CreateBudgetDialog onClose={onClose} />)}>Create budget</button>}>
      <PagedTable
        query={query}
        deed="see budgets"
        rowsOf={({ budgets }) => budgets}
        empty={<Empty command={'npx weir budgets create "all of us" --limit 100 --per month'}>No budgets: nothing bounds what is spent. Create one here, in weir.yaml, or in a terminal:</Empty>}
        caption="Budgets"
        keyOf={({ id }) => id}
        columns={[...columnsOf(names), actionsColumn(({ name }) => name, actionsOf(open))]}
      />
      {dialog}
    </Page>
  );
}

function columnsOf(names: Names): Column<Budget>[] {
  return [
    { title: "Name", isLong: true, order: ({ name }) => name, cell: ({ name }) => name },
    { title: "Used", order: fullness, cell: (budget) => <BudgetBar budget={budget} /> },
    { title: "Left", isNumber: true, order: ({ usage }) => usage?.headroomNanos ?? 0n, cell: ({ usage }) => dollars(usage?.headroomNanos ?? 0n) },
    { title: "Period", order: ({ period }) => period, cell: ({ period, usage }) => <span title={usage?.endTime === undefined ? undefined : `ends ${moment(usage.endTime)}`}>{periodTitles[period]}</span> },
    { title: "Counts calls of", isLong: true, cell: (budget) => subjectOf(budget, names) },
    { title: "At the limit", cell: ({ enforcement, shortage }) => (enforcement === BudgetEnforcement.SOFT ? "goes on" : (shortageTitles[shortage] ?? "refuses")) },
    { title: "Told at", cell: ({ alertPercents }) => alertPercents.map((value) => `${value} %`).join(", ") },
  ];
}

function actionsOf(open: OpenDialog): RowAction<Budget>[] {
  const isMadeHere = ({ isConfigured }: Budget): boolean => !isConfigured;
  return [
    { title: "Top up", isOffered: ({ subject }) => subject?.labelValue !== "*", run: (budget) => open((onClose) => <TopUpBudgetDialog budget={budget} onClose={onClose} />) },
    { title: "Change", isOffered: isMadeHere, run: (budget) => open((onClose) => <ChangeBudgetDialog budget={budget} onClose={onClose} />) },
    { title: "Delete", isOffered: isMadeHere, run: ({ id, name }) => open((onClose) => (
      <ConfirmDialog title={`Delete “${name}”?`} action="Delete budget" isDangerous deed="delete budgets" method={PolicyService.method.deleteBudget} input={{ budgetId: id }} listed={PolicyService.method.listBudgets} onClose={onClose}>
        Nothing is bounded by it any more. What was spent stays in the ledger and in reports.
      </ConfirmDialog>
    )) },
  ];
}

function subjectOf({ subject, organizationId, isConfigured }: Budget, names: Names): ReactNode {
  const { teamId = "", keyId = "", memberId = "", labelName = "", labelValue = "" } = subject ?? {};
  const bounds = [
    names.hasOneOrganization ? "" : names.organization(organizationId),
    teamId && `team ${names.team(teamId)}`,
    keyId && `key ${names.key(keyId)}`,
    memberId && `member ${memberId}`,
    labelName && (labelValue === "*" ? `each ${labelName}` : `${labelName}=${labelValue}`),
  ];
  return (
    <>
      {bounds.filter((bound) => bound !== "").join(", ") || "everybody"}
      {isConfigured && <span className="quiet"> · in weir.yaml</span>}
    </>
  );
}
