/** Owns changing how much a rate limit lets through, and of which calls. */
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { RateLimit } from "#gen/weir/policy/v1/rate_limit_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { RateAmountField, rateAmountIn } from "../parts/rate-amount-field.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function ChangeRateLimitDialog({ rateLimit: { id, rule }, onClose }: { readonly rateLimit: RateLimit; readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const { name = "", count = "", amount = 0n, where = "" } = rule ?? {};
  const { mutate, error, isPending } = useChange(PolicyService.method.updateRateLimit, PolicyService.method.listRateLimits, onClose);
  const change = (fields: FormData): void =>
    mutate({ requestId, rateLimitId: id, updateMask: { paths: ["amount", "where"] }, amount: rateAmountIn(fields, count), where: textOf(fields, "where") });
  return (
    <FormDialog title={`Change “${name}”`} action="Change rate limit" isPending={isPending} error={error} deed="change rate limits" onClose={onClose} onSubmit={change}>
      <RateAmountField count={count} amount={amount} />
      <Field label="Only where" name="where" maxLength={1_024} placeholder="all" defaultValue={where} />
      <p className="quiet">What was counted stays counted.</p>
    </FormDialog>
  );
}
