/** Owns giving a budget more room in the present period. */
import { useState, type ReactNode } from "react";
import type { Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { dollarsPattern, readDollarsField } from "../format/money.ts";
import { BudgetBar } from "../parts/budget-bar.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function TopUpBudgetDialog({ budget, onClose }: { readonly budget: Budget; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.topUpBudget, PolicyService.method.listBudgets, onClose);
  const topUp = (fields: FormData): void => mutate({ requestId, budgetId: budget.id, amountNanos: readDollarsField(textOf(fields, "amount")), note: textOf(fields, "note") });
  return (
    <FormDialog title={`Top up “${budget.name}”`} action="Top up" isPending={isPending} error={error} deed="top up budgets" onClose={onClose} onSubmit={topUp}>
      <BudgetBar budget={budget} />
      <Field label="More room in this period, in US dollars" name="amount" required autoFocus inputMode="decimal" pattern={dollarsPattern} placeholder="25.00" />
      <Field label="Why" name="note" maxLength={1_000} hint="For whoever reads it later." />
    </FormDialog>
  );
}
