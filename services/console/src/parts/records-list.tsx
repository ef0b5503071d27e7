/** Owns the list of requests that were refused, failed, were answered by the cache, or in which guardrails found something. */
import { timestampFromDate, type Timestamp } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { FormEvent, ReactNode } from "react";
import { useSearchParams } from "wouter";
import { RequestOutcome, type RequestRecord } from "#gen/weir/metering/v1/request_record_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { count } from "../format/number.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import { outcomeOf, outcomes, reasonName, whyOf } from "../request-record.ts";
import type { Column } from "./data-table.tsx";
import { Choice, Field, textOf } from "./fields.tsx";
import { Mark } from "./marks.tsx";
import { byPage, PagedTable } from "./paged-table.tsx";
import { RequestLink } from "./request-link.tsx";
import { RequestsFrame } from "./requests-frame.tsx";
import { Empty } from "./states.tsx";

const filters = ["outcome", "key", "from", "until"] as const;

export function RecordsList(): ReactNode {
  const names = useNames();
  const [parameters, setParameters] = useSearchParams();
  const [outcome, key, from, until] = filters.map((name) => parameters.get(name) ?? "") as [string, string, string, string];
  const asked = { outcome: outcomes[outcome]?.outcome ?? RequestOutcome.UNSPECIFIED, keyId: key, startTime: timeOf(from), endTime: timeOf(until) };
  const query = useInfiniteQuery(MeteringService.method.listRequests, { ...asked, pageSize: 100, pageToken: "" }, byPage);
  const filter = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    const chosen = filters.map((name) => [name, textOf(fields, name)] as const).filter(([, value]) => value !== "");
    setParameters({ show: "others", ...Object.fromEntries(chosen) });
  };
  return (
    <RequestsFrame query={query}>
      <search>
        <form className="toolbar" onSubmit={filter}>
          <Choice label="What became of them" name="outcome" defaultValue={outcome}>
            <option value="">anything</option>
            {Object.entries(outcomes).map(([name, { title }]) => <option key={name} value={name}>{title}</option>)}
          </Choice>
          <Field label="From" name="from" type="datetime-local" defaultValue={from} />
          <Field label="Until" name="until" type="datetime-local" defaultValue={until} />
          <Field label="Key" name="key" defaultValue={key} placeholder="key_…" spellCheck={false} />
          <button type="submit">Filter</button>
        </form>
      </search>
      <PagedTable
        query={query}
        deed="see usage"
        rowsOf={({ records }) => records}
        empty={<Empty>{filters.every((name) => parameters.get(name) === null) ? "All requests were simply served: their attempts tell of them." : "No request fits the filter."}</Empty>}
        caption="Requests that were refused, failed, cached or guarded, newest first"
        keyOf={({ requestIds }) => requestIds[0] ?? ""}
        columns={columnsOf(names)}
      />
    </RequestsFrame>
  );
}

function columnsOf(names: Names): Column<RequestRecord>[] {
  return [
    { title: "Came", cell: ({ startTime }) => <time>{moment(startTime)}</time> },
    { title: "Request", cell: ({ requestIds: [id = ""] }) => <RequestLink id={id} /> },
    { title: "Result", cell: (record) => <Mark tone={outcomeOf(record).tone}>{reasonName(record.errorReason) || outcomeOf(record).title}</Mark> },
    { title: "Times", isNumber: true, cell: (record) => count(record.count) },
    { title: "Model", cell: ({ model }) => <span className="short cut" title={model}>{model || "–"}</span> },
    { title: "Why", isLong: true, cell: (record) => <div className="sentence" title={whyOf(record)}>{whyOf(record)}</div> },
    { title: "Key", cell: ({ attribution }) => names.key(attribution?.keyId ?? "") },
  ];
}

/** As a field for moments has it, in the reader's own time zone. */
function timeOf(text: string): Timestamp | undefined {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : timestampFromDate(date);
}
