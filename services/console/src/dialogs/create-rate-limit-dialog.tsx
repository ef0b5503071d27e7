/** Owns making a rate limit. */
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { callsIn, CallsOfFields } from "../parts/calls-of-fields.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { Choice, Field, textOf } from "../parts/fields.tsx";
import { RateAmountField, rateAmountIn } from "../parts/rate-amount-field.tsx";
import { RuleNameField } from "../parts/rule-name-field.tsx";
import { counterTitles, countTitles, hasWindow, windows } from "../rate-limit-words.ts";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function CreateRateLimitDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const [count, setCount] = useState("requests");
  const { mutate, error, isPending } = useChange(PolicyService.method.createRateLimit, PolicyService.method.listRateLimits, onClose);
  const create = (fields: FormData): void => {
    const rule = { name: textOf(fields, "name"), count, amount: rateAmountIn(fields, count), window: textOf(fields, "window"), per: [textOf(fields, "per")], where: textOf(fields, "where"), ...callsIn(fields) };
    mutate({ requestId, rule });
  };
  return (
    <FormDialog title="Create rate limit" action="Create rate limit" isPending={isPending} error={error} deed="create rate limits" onClose={onClose} onSubmit={create}>
      <RuleNameField example="calls-per-key" />
      <Choice label="What is counted" value={count} onChange={(event) => setCount(event.target.value)}>
        {Object.entries(countTitles).map(([value, title]) => <option key={value} value={value}>{title}</option>)}
      </Choice>
      <RateAmountField count={count} />
      {hasWindow(count) && (
        <Choice label="In each" name="window" defaultValue="minute">
          {windows.map((window) => <option key={window}>{window}</option>)}
        </Choice>
      )}
      <Choice label="Counted apart for each" name="per" defaultValue="key">
        {Object.entries(counterTitles).map(([value, title]) => <option key={value} value={value}>{title}</option>)}
      </Choice>
      <CallsOfFields label="Counts calls of" />
      <Field label="Only where" name="where" maxLength={1_024} placeholder="all" hint={<>A condition in CEL, such as <code>model.startsWith("openai/")</code>.</>} />
    </FormDialog>
  );
}
