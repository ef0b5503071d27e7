/** Owns asking what would become of a call: whether it would be allowed, which rule decides, how each stands, and which targets would be tried. */
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { useId, type FormEvent, type ReactNode } from "react";
import { ErrorReason } from "#gen/weir/errors/v1/error_reason_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { AppliedRule, ExplainDecisionResponse, PlannedTarget } from "#gen/weir/routing/v1/decision_pb.ts";
import { RoutingService } from "#gen/weir/routing/v1/routing_service_pb.ts";
import { kindOf, standingOf, stateOf } from "../decision-words.ts";
import { DataTable, type Column } from "../parts/data-table.tsx";
import { Check, Choice, Field, LongField, textOf } from "../parts/fields.tsx";
import { labelsIn, LabelsField } from "../parts/labels-field.tsx";
import { Mark } from "../parts/marks.tsx";
import { Card, Page } from "../parts/page.tsx";
import { Failure } from "../parts/states.tsx";
import { reasonName } from "../request-record.ts";

const operations: readonly string[] = ["Generate", "CountTokens", "Embed", "Moderate", "Rerank", "GenerateImages", "SynthesizeSpeech"];

export function ExplainPage(): ReactNode {
  const { mutate, data, error, isPending } = useMutation(RoutingService.method.explainDecision);
  const explain = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const maximum = textOf(fields, "maximum");
    mutate({
      keyId: textOf(fields, "key"),
      model: textOf(fields, "model"),
      operation: textOf(fields, "operation"),
      labels: labelsIn(fields),
      text: textOf(fields, "text"),
      address: textOf(fields, "address"),
      origin: textOf(fields, "origin"),
      stream: fields.has("stream"),
      ...(maximum === "" ? {} : { maxOutputTokens: BigInt(maximum) }),
    });
  };
  return (
    <Page title="Explain">
      <Card title="What would become of this call?">
        <form className="grid-form" onSubmit={explain}>
          <CallFields />
          <footer>
            <span className="quiet">Nothing is reserved, counted or sent.</span>
            <button type="submit" className="primary" disabled={isPending}>Explain</button>
          </footer>
        </form>
      </Card>
      {error !== null && <Failure error={error} deed="ask what becomes of calls" />}
      {data !== undefined && <Decision decision={data} />}
    </Page>
  );
}

function CallFields(): ReactNode {
  const listId = useId();
  const keys = useQuery(PolicyService.method.listKeys, { pageSize: 1_000 });
  const models = useQuery(InferenceService.method.listModels, { pageSize: 1_000 });
  return (
    <>
      <Choice label="Key that calls" name="key">
        <option value="">the one that is signed in</option>
        {keys.data?.keys.filter(({ revokeTime }) => revokeTime === undefined).map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
      </Choice>
      <Field label="Model" name="model" required autoFocus list={listId} placeholder="a route, or provider/model" />
      <datalist id={listId}>{models.data?.models.map(({ name }) => <option key={name}>{name}</option>)}</datalist>
      <Choice label="Operation" name="operation">
        {operations.map((operation) => <option key={operation}>{operation}</option>)}
      </Choice>
      <Field label="Output maximum" name="maximum" type="number" min={1} max={1_000_000_000} step={1} placeholder="in tokens" />
      <Field label="From the address" name="address" placeholder="192.0.2.7" />
      <Field label="From the web page" name="origin" placeholder="https://app.example.com" />
      <LongField label="Text" name="text" rows={2} maxLength={65_536} placeholder="Hello" hint="Guardrails look at it; it is not kept." />
      <LabelsField rows={2} />
      <Check label="As a stream" name="stream" />
    </>
  );
}

function Decision({ decision: { allowed, reason, message, rules, route, routeCase, targets, notes } }: { readonly decision: ExplainDecisionResponse }): ReactNode {
  const ofRoute = route === "" ? "Targets" : `Targets of the route ${route}`;
  const ofCase = routeCase === undefined ? "" : `, case ${routeCase.position}${routeCase.where === "" ? "" : `: ${routeCase.where}`}`;
  return (
    <>
      <Card title={allowed ? "It would be made" : "It would be refused"}>
        <output>{allowed ? <Mark tone="good">allowed</Mark> : <><Mark tone="bad">{reasonName(reason)}</Mark> {message}</>}</output>
        {notes.map((note) => <p key={note}>{note}</p>)}
      </Card>
      {rules.length > 0 && (
        <Card title="Rules that apply">
          <DataTable caption="Rules that apply" rows={rules} keyOf={({ kind, id, name }) => `${kind} ${id} ${name}`} columns={ruleColumns} />
        </Card>
      )}
      {targets.length > 0 && (
        <Card title={ofRoute + ofCase}>
          <DataTable caption="Targets" rows={targets} keyOf={({ name }) => name} columns={targetColumns} />
        </Card>
      )}
    </>
  );
}

const ruleColumns: Column<AppliedRule>[] = [
  { title: "Rule", cell: ({ kind }) => kindOf(kind) },
  { title: "Name", cell: ({ name }) => name },
  { title: "How it stands", isLong: true, cell: ({ state }) => stateOf(state) },
  { title: "Decides", cell: ({ decides }) => decides && <Mark tone="bad">because of this</Mark> },
];

const targetColumns: Column<PlannedTarget>[] = [
  { title: "Target", cell: ({ name }) => name },
  { title: "Its place", cell: ({ standing }) => standingOf(standing) },
  { title: "Passed over", isLong: true, cell: ({ reason, message }) => reason !== ErrorReason.UNSPECIFIED && <><Mark tone="near">{reasonName(reason)}</Mark> {message}</> },
];
