/** Owns making a guardrail that looks for personal data, secrets, words or patterns. */
import { useState, type ReactNode } from "react";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { detectorTitles, modeTitles } from "../guardrail-words.ts";
import { callsIn, CallsOfFields } from "../parts/calls-of-fields.tsx";
import { FormDialog } from "../parts/dialog.tsx";
import { Check, Choice, Field, linesOf, listOf, LongField, textOf } from "../parts/fields.tsx";
import { RuleNameField } from "../parts/rule-name-field.tsx";
import { useChange } from "../refresh.ts";
import { newRequestId } from "../request-id.ts";

export function CreateGuardrailDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [requestId] = useState(newRequestId);
  const [mode, setMode] = useState("block");
  const { mutate, error, isPending } = useChange(PolicyService.method.createGuardrail, PolicyService.method.listGuardrails, onClose);
  const create = (fields: FormData): void => {
    const rule = {
      name: textOf(fields, "name"),
      detectors: fields.getAll("detector").map(String),
      words: linesOf(fields, "words"),
      patterns: linesOf(fields, "patterns"),
      mode,
      restore: fields.has("restore"),
      sides: listOf(fields, "side"),
      models: listOf(fields, "models"),
      ...callsIn(fields),
    };
    mutate({ requestId, rule });
  };
  return (
    <FormDialog title="Create guardrail" action="Create guardrail" isPending={isPending} error={error} deed="create guardrails" onClose={onClose} onSubmit={create}>
      <RuleNameField example="no-secrets" />
      <fieldset className="checks">
        <legend>Looks for</legend>
        {Object.entries(detectorTitles).map(([detector, title]) => <Check key={detector} label={title} name="detector" value={detector} />)}
      </fieldset>
      <LongField label="Words and phrases, a line each" name="words" rows={2} />
      <LongField label="Patterns in RE2's syntax, a line each" name="patterns" rows={2} spellCheck={false} />
      <Choice label="Where it is found" value={mode} onChange={(event) => setMode(event.target.value)}>
        {Object.entries(modeTitles).map(([value, title]) => <option key={value} value={value}>{title}</option>)}
      </Choice>
      {mode === "mask" && <Check label="What was masked is put back in the reply" name="restore" />}
      <Choice label="In" name="side" defaultValue="">
        <option value="">what goes in and what comes out</option>
        <option value="input">what goes in</option>
        <option value="output">what comes out</option>
      </Choice>
      <Field label="Models" name="models" placeholder="all" hint="Routes, provider/model or provider/*, with commas between." />
      <CallsOfFields label="Looks at calls of" />
    </FormDialog>
  );
}
