/** Owns making a budget. */
import { useState, type ReactNode } from "react";
import { BudgetEnforcement, BudgetPeriod, BudgetShortage } from "#gen/weir/policy/v1/budget_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { periodTitles } from "../budget-words.ts";
import { callsIn, CallsOfFields } from "../parts/calls-of-fields.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { BudgetTermsFields, budgetTermsIn } from "../parts/budget-terms-fields.tsx";
import { Choice, textOf } from "../parts/fields.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

const periods: readonly BudgetPeriod[] = [BudgetPeriod.DAY, BudgetPeriod.WEEK, BudgetPeriod.MONTH, BudgetPeriod.TOTAL];
const usualTerms = { name: "", limitNanos: undefined, enforcement: BudgetEnforcement.HARD, shortage: BudgetShortage.REFUSE, alertPercents: [80, 100] };

export function CreateBudgetDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { mutate, error, isPending } = useChange(PolicyService.method.createBudget, PolicyService.method.listBudgets, onClose);
  const create = (fields: FormData): void => {
    const { organizationId, teamId } = callsIn(fields);
    mutate({ requestId, organizationId, period: Number(textOf(fields, "period")) as BudgetPeriod, ...budgetTermsIn(fields), ...(teamId === "" ? {} : { subject: { teamId } }) });
  };
  return (
    <FormDialog title="Create budget" action="Create budget" isPending={isPending} error={error} deed="create budgets" onClose={onClose} onSubmit={create}>
      <BudgetTermsFields terms={usualTerms}>
        <CallsOfFields label="Counts calls of" />
        <Choice label="In each" name="period" defaultValue={BudgetPeriod.MONTH}>
          {periods.map((period) => <option key={period} value={period}>{periodTitles[period]}</option>)}
        </Choice>
      </BudgetTermsFields>
    </FormDialog>
  );
}
