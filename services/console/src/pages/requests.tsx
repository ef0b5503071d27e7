/** Owns the newest attempts, and finding the ones of a request. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import type { FormEvent, ReactNode } from "react";
import { Link, useLocation } from "wouter";
import { MeteringService, type Attempt } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { resultOf, targetOf } from "../attempt.ts";
import { milliseconds, shortCount } from "../format/number.ts";
import { moment } from "../format/time.ts";
import { useNames, type Names } from "../names.ts";
import type { Column } from "../parts/data-table.tsx";
import { Field, textOf } from "../parts/fields.tsx";
import { Mark, Money } from "../parts/marks.tsx";
import { Page } from "../parts/page.tsx";
import { byPage, PagedTable } from "../parts/paged-table.tsx";
import { FirstCall } from "../parts/states.tsx";
import { inputTokens, outputTokens } from "../usage-rows.ts";

export function RequestsPage(): ReactNode {
  const names = useNames();
  const [, navigate] = useLocation();
  const query = useInfiniteQuery(MeteringService.method.listAttempts, { pageSize: 100, pageToken: "" }, byPage);
  const find = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    navigate(`/requests/${encodeURIComponent(textOf(new FormData(event.currentTarget), "request"))}`);
  };
  return (
    <Page title="Requests" actions={<button type="button" disabled={query.isFetching} onClick={() => void query.refetch()}>Refresh</button>}>
      <search>
        <form className="toolbar" onSubmit={find}>
          <Field label="Request id" name="request" placeholder="req_…" required spellCheck={false} />
          <button type="submit">Find</button>
        </form>
      </search>
      <PagedTable
        query={query}
        deed="see usage"
        rowsOf={({ attempts }) => attempts}
        empty={<FirstCall>Nothing has been called yet. Make a first call:</FirstCall>}
        caption="Attempts, newest first"
        keyOf={(attempt) => attempt.event?.intent?.attemptId ?? ""}
        columns={columnsOf(names)}
      />
    </Page>
  );
}

function columnsOf(names: Names): Column<Attempt>[] {
  return [
    { title: "Started", cell: ({ event }) => <time>{moment(event?.intent?.startTime)}</time> },
    { title: "Request", cell: ({ event }) => <Link className="id cut" href={`/requests/${event?.intent?.requestId}`} title={event?.intent?.requestId}>{event?.intent?.requestId}</Link> },
    { title: "Result", cell: (attempt) => <Mark tone={resultOf(attempt).tone}>{attempt.event?.outcome?.errorReason || resultOf(attempt).title}</Mark> },
    { title: "Model", cell: targetOf },
    { title: "Key", cell: ({ event }) => names.key(event?.intent?.attribution?.keyId ?? "") },
    { title: "Tokens in", isNumber: true, cell: ({ event }) => shortCount(inputTokens(event?.outcome?.usage?.quantities ?? [])) },
    { title: "out", isNumber: true, cell: ({ event }) => shortCount(outputTokens(event?.outcome?.usage?.quantities ?? [])) },
    { title: "Latency", isNumber: true, cell: ({ event }) => milliseconds(event?.outcome?.durationMs ?? 0n) },
    { title: "Cost", isNumber: true, cell: ({ costNanos }) => <Money nanos={costNanos} /> },
  ];
}
