/** Owns the audit log: who did what, newest first. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { FormEvent, ReactNode } from "react";
import { useSearchParams } from "wouter";
import type { AuditEntry } from "#gen/weir/metering/v1/audit_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { Mark } from "../parts/marks.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { Empty } from "../parts/states.tsx";

export function AuditPage(): ReactNode {
  const names = useNames();
  const [parameters, setParameters] = useSearchParams();
  const method = parameters.get("method") ?? "";
  const actor = parameters.get("actor") ?? "";
  const query = useInfiniteQuery(MeteringService.method.listAuditEntries, { method, actor, pageSize: 100, pageToken: "" }, byPage);
  const filter = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget);
    setParameters({ method: textOf(fields, "method"), actor: textOf(fields, "actor") });
  };
  return (
    <Page title="Audit log" actions={<button type="button" disabled={query.isFetching} onClick={() => void query.refetch()}>Refresh</button>}>
      <search>
        <form className="toolbar" onSubmit={filter}>
          <Field label="Method" name="method" defaultValue={method} placeholder="CreateKey" />
          <Field label="Who" name="actor" defaultValue={actor} placeholder="key_…" />
          <button type="submit">Filter</button>
        </form>
      </search>
      <PagedTable
        query={query}
        deed="see the audit log"
        rowsOf={({ entries }) => entries}
        empty={<Empty>{method === "" && actor === "" ? "Nothing has been changed yet." : "No entry fits the filter."}</Empty>}
        caption="Audit log, newest first"
        keyOf={({ organizationId, sequence }) => `${organizationId} ${sequence}`}
        columns={columnsOf(names)}
      />
    </Page>
  );
}

function columnsOf(names: Names): Column<AuditEntry>[] {
  return [
    { title: "When", cell: ({ recordTime }) => <time>{moment(recordTime)}</time> },
    { title: "Who", cell: ({ actor }) => names.key(actor) },
    { title: "From", cell: ({ address }) => address },
    { title: "Did", cell: ({ method }) => <span title={method}>{method.split("/").at(-1)}</span> },
    { title: "Outcome", cell: ({ outcome }) => <Mark tone={outcome === "ok" ? "good" : outcome === "begun" ? "still" : "bad"}>{outcome}</Mark> },
    { title: "Organization", cell: ({ organizationId }) => (organizationId === "" ? <span className="quiet">installation</span> : names.organization(organizationId)) },
    { title: "With", cell: ({ requestJson }) => <code className="cut" title={requestJson}>{requestJson}</code> },
  ];
}
