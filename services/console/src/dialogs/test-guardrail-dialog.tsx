/** Owns trying a guardrail on a text. */
import { useMutation } from "@connectrpc/connect-query";
import type { ReactNode } from "react";
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { RoutingService, type TestGuardrailResponse } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { FormDialog } from "../parts/dialog.tsx";
import { LongField, textOf } from "../parts/fields.tsx";

export function TestGuardrailDialog({ rule, onClose }: { readonly rule: GuardrailRule; readonly onClose: () => void }): ReactNode {
  const { mutate, data, error, isPending } = useMutation(RoutingService.method.testGuardrail);
  return (
    <FormDialog title={`Test “${rule.name}”`} action="Test" isPending={isPending} error={error} deed="test guardrails" onClose={onClose} onSubmit={(fields) => mutate({ rule, text: textOf(fields, "text") })}>
      <LongField label="Text" name="text" rows={4} required autoFocus hint="Nothing of it is kept." />
      {data !== undefined && <Found found={data} />}
    </FormDialog>
  );
}

function Found({ found: { finds, maskedText, judgement } }: { readonly found: TestGuardrailResponse }): ReactNode {
  if (finds.length === 0 && judgement === undefined) return <output>It finds nothing.</output>;
  return (
    <output className="found">
      {judgement !== undefined && <p>{judgement.check}: {judgement.verdict}{judgement.reason !== "" && ` (${judgement.reason})`}</p>}
      {finds.length > 0 && (
        <>
          <ul>{finds.map(({ detector, text }, place) => <li key={place}>{detector.replaceAll("_", " ")}: <code>{text}</code></li>)}</ul>
          <p className="quiet">Masked, it would be:</p>
          <pre className="said">{maskedText}</pre>
        </>
      )}
    </output>
  );
}
