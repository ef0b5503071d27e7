/** Owns budgets: what of each is used, making them, and giving one more room. */
import { useInfiniteQuery, useMutation, useQuery } from "@connectrpc/connect-query";
import { useState, type ReactNode } from "react";
import { BudgetEnforcement, BudgetPeriod, BudgetShortage, type Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { fullness, budgetUse } from "../budget-use.ts";
import { dollars, readDollars } from "../format/money.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { Choice, Field, textOf } from "../parts/fields.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { Empty } from "../parts/states.tsx";
import { UsageBar } from "../parts/usage-bar.tsx";
import { useRefresh } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

const periodTitles: Readonly<Record<number, string>> = {
  [BudgetPeriod.DAY]: "day",
  [BudgetPeriod.WEEK]: "week",
  [BudgetPeriod.MONTH]: "month",
  [BudgetPeriod.ROLLING]: "rolling",
  [BudgetPeriod.TOTAL]: "all time",
};

const shortageTitles: Readonly<Record<number, string>> = {
  [BudgetShortage.CLAMP]: "clamps",
  [BudgetShortage.WAIT]: "waits",
};

const amountPattern = String.raw`\$?[\d,]{1,12}(\.\d{1,9})?`;

export function BudgetsPage(): ReactNode {
  const names = useNames();
  const [creating, setCreating] = useState(false);
  const [toppedUp, setToppedUp] = useState<Budget>();
  const query = useInfiniteQuery(PolicyService.method.listBudgets, { pageSize: 200, pageToken: "" }, byPage);
  return (
    <Page title="Budgets" actions={<button type="button" className="primary" onClick={() => setCreating(true)}>Create budget</button>}>
      <PagedTable
        query={query}
        deed="see budgets"
        rowsOf={({ budgets }) => budgets}
        empty={<Empty command={'npx weir budgets create "all of us" --limit 100 --per month'}>No budgets: nothing bounds what is spent. Create one here, in weir.yaml, or in a terminal:</Empty>}
        caption="Budgets"
        keyOf={({ id }) => id}
        columns={columnsOf(names, setToppedUp)}
      />
      {creating && <CreateBudgetDialog names={names} onClose={() => setCreating(false)} />}
      {toppedUp !== undefined && <TopUpDialog budget={toppedUp} onClose={() => setToppedUp(undefined)} />}
    </Page>
  );
}

function BudgetBar({ budget }: { readonly budget: Budget }): ReactNode {
  const use = budgetUse(budget);
  return use !== undefined && <UsageBar use={use} />;
}

function columnsOf(names: Names, topUp: (budget: Budget) => void): Column<Budget>[] {
  return [
    { title: "Name", isLong: true, order: ({ name }) => name, cell: ({ name }) => name },
    { title: "Used", order: fullness, cell: (budget) => <BudgetBar budget={budget} /> },
    { title: "Left", isNumber: true, order: ({ usage }) => usage?.headroomNanos ?? 0n, cell: ({ usage }) => dollars(usage?.headroomNanos ?? 0n) },
    { title: "Period", order: ({ period }) => period, cell: ({ period, usage }) => <span title={usage?.endTime === undefined ? undefined : `ends ${moment(usage.endTime)}`}>{periodTitles[period]}</span> },
    { title: "Counts calls of", isLong: true, cell: (budget) => subjectOf(budget, names) },
    { title: "At the limit", cell: ({ enforcement, shortage }) => (enforcement === BudgetEnforcement.SOFT ? "goes on" : (shortageTitles[shortage] ?? "refuses")) },
    { title: "Told at", cell: ({ alertPercents }) => alertPercents.map((value) => `${value} %`).join(", ") },
    { title: "", cell: (budget) => (budget.subject?.labelValue === "*" ? null : <button type="button" className="plain" aria-label={`Top up ${budget.name}`} onClick={() => topUp(budget)}>Top up</button>) },
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

function CreateBudgetDialog({ names, onClose }: { readonly names: Names; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const [organizationId, setOrganizationId] = useState<string>();
  const refresh = useRefresh(PolicyService.method.listBudgets);
  const organizations = useQuery(PolicyService.method.listOrganizations, { pageSize: 1_000 });
  const chosen = organizationId ?? organizations.data?.organizations[0]?.id ?? "";
  const teams = useQuery(PolicyService.method.listTeams, { organizationId: chosen, pageSize: 1_000 }, { enabled: chosen !== "" });
  const { mutate, error, isPending } = useMutation(PolicyService.method.createBudget, {
    onSuccess: async () => {
      await refresh();
      onClose();
    },
  });
  const create = (fields: FormData): void => {
    const teamId = textOf(fields, "team");
    mutate({
      requestId,
      organizationId: chosen,
      name: textOf(fields, "name"),
      limitNanos: readDollars(textOf(fields, "limit")) ?? 0n,
      period: Number(textOf(fields, "period")) as BudgetPeriod,
      enforcement: Number(textOf(fields, "enforcement")) as BudgetEnforcement,
      shortage: Number(textOf(fields, "shortage")) as BudgetShortage,
      alertPercents: (textOf(fields, "alerts").match(/\d+/g) ?? []).map(Number),
      ...(teamId === "" ? {} : { subject: { teamId } }),
    });
  };
  return (
    <FormDialog title="Create budget" action="Create budget" isPending={isPending} error={error} deed="create budgets" onClose={onClose} onSubmit={create}>
      <Field label="Name" name="name" required maxLength={100} autoFocus placeholder="research, monthly" />
      {(organizations.data?.organizations.length ?? 0) > 1 && (
        <Choice label="Organization" value={chosen} onChange={(event) => setOrganizationId(event.target.value)}>
          {organizations.data?.organizations.map(({ id }) => <option key={id} value={id}>{names.organization(id)}</option>)}
        </Choice>
      )}
      <Choice label="Counts calls of" name="team">
        <option value="">the whole organization</option>
        {teams.data?.teams.map(({ id, name }) => <option key={id} value={id}>team {name}</option>)}
      </Choice>
      <Field label="Limit in US dollars" name="limit" required inputMode="decimal" pattern={amountPattern} placeholder="100.00" />
      <Choice label="In each" name="period" defaultValue={BudgetPeriod.MONTH}>
        {[BudgetPeriod.DAY, BudgetPeriod.WEEK, BudgetPeriod.MONTH, BudgetPeriod.TOTAL].map((period) => <option key={period} value={period}>{periodTitles[period]}</option>)}
      </Choice>
      <Choice label="At the limit" name="enforcement" defaultValue={BudgetEnforcement.HARD}>
        <option value={BudgetEnforcement.HARD}>calls are not made</option>
        <option value={BudgetEnforcement.SOFT}>calls go on, and are counted</option>
      </Choice>
      <Choice label="A call that could cost more than is left" name="shortage" defaultValue={BudgetShortage.REFUSE}>
        <option value={BudgetShortage.REFUSE}>is refused</option>
        <option value={BudgetShortage.CLAMP}>may write less</option>
        <option value={BudgetShortage.WAIT}>waits for others to end</option>
      </Choice>
      <Field label="Tell when so many percent are spent" name="alerts" defaultValue="80, 100" pattern="[0-9, %]*" />
    </FormDialog>
  );
}

function TopUpDialog({ budget, onClose }: { readonly budget: Budget; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const refresh = useRefresh(PolicyService.method.listBudgets);
  const { mutate, error, isPending } = useMutation(PolicyService.method.topUpBudget, {
    onSuccess: async () => {
      await refresh();
      onClose();
    },
  });
  const topUp = (fields: FormData): void => mutate({ requestId, budgetId: budget.id, amountNanos: readDollars(textOf(fields, "amount")) ?? 0n, note: textOf(fields, "note") });
  return (
    <FormDialog title={`Top up “${budget.name}”`} action="Top up" isPending={isPending} error={error} deed="top up budgets" onClose={onClose} onSubmit={topUp}>
      <BudgetBar budget={budget} />
      <Field label="More room in this period, in US dollars" name="amount" required autoFocus inputMode="decimal" pattern={amountPattern} placeholder="25.00" />
      <Field label="Why" name="note" maxLength={1_000} hint="For whoever reads it later." />
    </FormDialog>
  );
}
