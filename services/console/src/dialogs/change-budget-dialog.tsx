/** Owns changing what a budget says. */
import { useState, type ReactNode } from "react";
import type { Budget } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { BudgetTermsFields, budgetTermsIn } from "../parts/budget-terms-fields.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

const paths = ["name", "limit_nanos", "enforcement", "shortage", "alert_percents"];

export function ChangeBudgetDialog({ budget, onClose }: { readonly budget: Budget; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.updateBudget, PolicyService.method.listBudgets, onClose);
  const change = (fields: FormData): void => mutate({ requestId, budgetId: budget.id, updateMask: { paths }, ...budgetTermsIn(fields) });
  return (
    <FormDialog title={`Change “${budget.name}”`} action="Change budget" isPending={isPending} error={error} deed="change budgets" onClose={onClose} onSubmit={change}>
      <BudgetTermsFields terms={budget} />
      <p className="quiet">The present period has the new limit, too; what was spent stays spent.</p>
    </FormDialog>
  );
}
