/** Owns what became of one request as a whole: why it was refused or failed, which targets were passed over, and what guardrails found. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ReactNode } from "react";
import type { PassedOverTarget, RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import { count, milliseconds } from "../format/number.ts";
import { moment } from "../format/time.ts";
import type { Names } from "../names.ts";
import { findingOf, outcomeOf, reasonName } from "../request-record.ts";
import { DataTable, type Column } from "./data-table.tsx";
import { Fact } from "./fact.tsx";
import { Mark } from "./marks.tsx";
import { Card } from "./page.tsx";

const passedOverColumns: readonly Column<PassedOverTarget>[] = [
  { title: "Did not answer", cell: ({ name }) => name },
  { title: "Reason", cell: ({ reason }) => <Mark tone="bad">{reasonName(reason)}</Mark> },
  { title: "Why", isLong: true, cell: ({ message }) => message || <span className="quiet">not kept, as it may quote the call</span> },
];

export function RecordCard({ record, names }: { readonly record: RequestRecord; readonly names: Names }): ReactNode {
  const { startTime, lastTime, duration, attribution, operation, model, route, target, errorReason, errorMessage, passedOver, findings } = record;
  const { title, tone } = outcomeOf(record);
  return (
    <Card title="What became of it" actions={<Mark tone={tone}>{title}</Mark>}>
      {errorMessage !== "" && <p>{errorMessage}</p>}
      <dl className="facts">
        <Fact name="Reason">{reasonName(errorReason)}</Fact>
        <Fact name="Came">{moment(startTime)}</Fact>
        <Fact name="Took">{duration !== undefined && milliseconds(BigInt(durationMs(duration)))}</Fact>
        <Fact name="Alike">{record.count > 1n && `${count(record.count)} requests until ${moment(lastTime)}`}</Fact>
        <Fact name="Model">{model}</Fact>
        <Fact name="Route">{route}</Fact>
        <Fact name="Target">{target}</Fact>
        <Fact name="Operation">{operation}</Fact>
        <Fact name="Guardrails">{findings.map(findingOf).join("; ")}</Fact>
        <Fact name="Key">{names.key(attribution?.keyId ?? "")}</Fact>
        <Fact name="Team">{names.team(attribution?.teamId ?? "")}</Fact>
        <Fact name="Organization">{names.organization(attribution?.organizationId ?? "")}</Fact>
        <Fact name="Labels">{Object.entries(attribution?.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(", ")}</Fact>
      </dl>
      {passedOver.length > 0 && (
        <DataTable
          caption="Targets that did not answer, in their order"
          rows={passedOver}
          keyOf={(other) => String(passedOver.indexOf(other))}
          columns={passedOverColumns}
        />
      )}
    </Card>
  );
}
